import { credentialsSchema, issueAccessToken, logIn, logOut, readSettings, register } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf } from "./context.ts";
import { done, isDone, publicProcedure, router, userProcedure } from "./trpc.ts";

const accessToken = z.strictObject({ token: z.string(), expiresAt: z.date() });

export const auth = router({
  me: publicProcedure
    .output(z.strictObject({ id: z.string(), email: z.string(), role: z.enum(["owner", "admin", "user"]) }).nullable())
    .query(({ ctx }) => ctx.user),

  registration: publicProcedure
    .output(z.strictObject({ isOpen: z.boolean() }))
    .query(async ({ ctx }) => ({ isOpen: (await readSettings(ctx.db)).isRegistrationOpen })),

  login: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      handOver(ctx, await logIn(ctx.db, ctx.throttles, input, visitorOf(ctx)));
      return isDone;
    }),

  register: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      handOver(ctx, await register(ctx.db, ctx.throttles, input, visitorOf(ctx)));
      return isDone;
    }),

  /** For scripts: opens a session and gives a token instead of a cookie. */
  token: publicProcedure
    .input(credentialsSchema)
    .output(accessToken)
    .mutation(async ({ ctx, input }) => {
      const visitor = { ...visitorOf(ctx), endedSessionId: null };
      const { id, userId } = await logIn(ctx.db, ctx.throttles, input, visitor);
      return issueAccessToken(ctx.secrets, { sessionId: id, userId });
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
