import {
  acceptInvite,
  AppError,
  completeLogIn,
  completePasswordReset,
  credentialsSchema,
  emailSchema,
  grantableRoles,
  issueAccessToken,
  line,
  linkTokenSchema,
  logIn,
  logOut,
  openEmailTarget,
  passwordSchema,
  readInvite,
  readResetLink,
  readSettings,
  register,
  requestPasswordReset,
  roles,
  secretText,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf } from "./context.ts";
import { done, isDone, publicProcedure, router, userProcedure } from "./trpc.ts";

const accessToken = z.strictObject({ token: z.string(), expiresAt: z.date() });
const code = line({ max: 40, required: "Enter the code." });
/** Signed by us: anything else is none. */
const challenge = secretText({ max: 2_000 });
/** Who asks for a mail waits as long, whether or not there is such an account. */
const resetAnswerMs = 400;

export const auth = router({
  me: publicProcedure
    .output(z.strictObject({ id: z.string(), email: z.string(), role: z.enum(roles) }).nullable())
    .query(({ ctx }) => ctx.user),

  registration: publicProcedure
    .output(z.strictObject({ isOpen: z.boolean() }))
    .query(async ({ ctx }) => ({ isOpen: (await readSettings(ctx.db)).isRegistrationOpen })),

  /** `challenge`: the password is right, and `secondFactor` takes the rest with it. */
  login: publicProcedure
    .input(credentialsSchema)
    .output(z.strictObject({ isDone: z.boolean(), challenge: z.string().nullable() }))
    .mutation(async ({ ctx, input }) => {
      const { session, challenge } = await logIn(ctx.db, ctx, input, visitorOf(ctx));
      if (session) handOver(ctx, session);
      return { isDone: session !== null, challenge };
    }),

  /** Of an app, or a recovery code. */
  secondFactor: publicProcedure
    .input(z.strictObject({ challenge, code }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      handOver(ctx, await completeLogIn(ctx.db, ctx, input, visitorOf(ctx)));
      return isDone;
    }),

  register: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      handOver(ctx, await register(ctx.db, ctx.throttles, input, visitorOf(ctx)));
      return isDone;
    }),

  /** Null: it was used, withdrawn, or has expired. */
  invite: publicProcedure
    .input(z.strictObject({ token: linkTokenSchema }))
    .output(
      z
        .strictObject({
          role: z.enum(grantableRoles),
          creditUsd: z.string(),
          email: z.string().nullable(),
          expiresAt: z.date().nullable(),
        })
        .nullable(),
    )
    .query(({ ctx, input }) => readInvite(ctx.db, input.token)),

  acceptInvite: publicProcedure
    .input(credentialsSchema.extend({ token: linkTokenSchema }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      handOver(ctx, await acceptInvite(ctx.db, ctx.throttles, input, visitorOf(ctx)));
      return isDone;
    }),

  /** Whether a link can be mailed to who has forgotten their password. */
  resetByMail: publicProcedure
    .output(z.strictObject({ isOffered: z.boolean() }))
    .query(async ({ ctx }) => ({ isOffered: (await openEmailTarget(ctx.db, ctx.secrets)) !== null })),

  /** Answers the same for every address. */
  requestReset: publicProcedure
    .input(z.strictObject({ email: emailSchema }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const answered = new Promise((resolve) => setTimeout(resolve, resetAnswerMs));
      const { email } = input;
      if (await openEmailTarget(ctx.db, ctx.secrets)) {
        const link = await requestPasswordReset(ctx.db, ctx.throttles, { email, address: ctx.address });
        if (link) ctx.mailResetLink({ email, token: link.token });
      }
      await answered;
      return isDone;
    }),

  /** Whose password the link sets; null: it was used, replaced, or has expired. */
  resetLink: publicProcedure
    .input(z.strictObject({ token: linkTokenSchema }))
    .output(z.strictObject({ email: z.string() }).nullable())
    .query(({ ctx, input }) => readResetLink(ctx.db, input.token)),

  /** Logs in, unless the account has a second factor. */
  completeReset: publicProcedure
    .input(z.strictObject({ token: linkTokenSchema, password: passwordSchema }))
    .output(z.strictObject({ isLoggedIn: z.boolean() }))
    .mutation(async ({ ctx, input }) => {
      const session = await completePasswordReset(ctx.db, ctx.throttles, input, visitorOf(ctx));
      if (session) handOver(ctx, session);
      return { isLoggedIn: session !== null };
    }),

  /** For scripts: opens a session and gives a token instead of a cookie. `code`: of an account with two factors. */
  token: publicProcedure
    .input(credentialsSchema.extend({ code: line({ max: 40 }).optional() }))
    .output(accessToken)
    .mutation(async ({ ctx, input }) => {
      const visitor = { ...visitorOf(ctx), endedSessionId: null };
      const { session } = await logIn(ctx.db, ctx, input, visitor);
      if (!session) throw codeMissing();
      return issueAccessToken(ctx.secrets, { sessionId: session.id, userId: session.userId });
    }),

  /** Another token of the same session. */
  renewToken: userProcedure
    .output(accessToken)
    .mutation(({ ctx }) => issueAccessToken(ctx.secrets, { sessionId: ctx.sessionId ?? "", userId: ctx.user.id })),

  logout: publicProcedure.output(done).mutation(async ({ ctx }) => {
    const { user, sessionId } = ctx;
    if (user && sessionId) await logOut(ctx.db, { sessionId, actor: { ...actorOf(ctx), userId: user.id } });
    ctx.setCookie(ctx.sessions.createBlankSessionCookie().serialize());
    return isDone;
  }),
});

const codeMissing = () => new AppError("unauthorized", "Enter the code.", "code");
