import {
  appendAudit,
  credentialsSchema,
  endSession,
  idOfSession,
  issueAccessToken,
  logIn,
  readSettings,
  register,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, openSession } from "./context.ts";
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
      await openSession(ctx, await logIn(ctx.db, ctx.throttles, input, ctx.address));
      return isDone;
    }),

  register: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await openSession(ctx, await register(ctx.db, ctx.throttles, input, ctx.address));
      return isDone;
    }),

  /** For scripts: opens a session and gives a token instead of a cookie. */
  token: publicProcedure
    .input(credentialsSchema)
    .output(accessToken)
    .mutation(async ({ ctx, input }) => {
      const userId = await logIn(ctx.db, ctx.throttles, input, ctx.address);
      const { userAgent, address } = ctx;
      const session = await ctx.sessions.createSession(userId, { userAgent, address });
      return issueAccessToken(ctx.secrets, { sessionId: idOfSession(session.id), userId });
    }),

  /** Another token of the same session. */
  renewToken: userProcedure
    .output(accessToken)
    .mutation(({ ctx }) => issueAccessToken(ctx.secrets, { sessionId: ctx.sessionId ?? "", userId: ctx.user.id })),

  logout: publicProcedure.output(done).mutation(async ({ ctx }) => {
    if (ctx.sessionId !== null) {
      await endSession(ctx.db, ctx.sessionId);
      const act = { action: "logout", targetKind: "user", targetId: ctx.user?.id ?? null } as const;
      await appendAudit(ctx.db.pool, actorOf(ctx), act);
    }
    ctx.setCookie(ctx.sessions.createBlankSessionCookie().serialize());
    return isDone;
  }),
});
