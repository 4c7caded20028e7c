import {
  changeEmail,
  changePassword,
  emailSchema,
  listSessions,
  passwordSchema,
  revokeSession,
  secretText,
  type SessionUser,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf, type Context } from "./context.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

const currentPassword = secretText({ max: 128, required: "Enter your current password." });

export const account = router({
  sessions: userProcedure
    .output(
      z.array(
        z.strictObject({
          id: z.string(),
          createdAt: z.date(),
          userAgent: z.string(),
          address: z.string(),
          isCurrent: z.boolean(),
        }),
      ),
    )
    .query(({ ctx }) => listSessions(ctx.db, { userId: ctx.user.id, sessionId: ctx.sessionId })),

  revokeSession: userProcedure
    .input(z.strictObject({ sessionId: z.string().regex(/^[0-9a-f]{64}$/) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await revokeSession(ctx.db, { ...input, actor: { ...actorOf(ctx), userId: ctx.user.id } });
      return isDone;
    }),

  /** Ends every session; a browser gets a new one, and a script logs in anew. */
  changeEmail: userProcedure
    .input(z.strictObject({ email: emailSchema, currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const session = await changeEmail(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx) });
      if (session) handOver(ctx, session);
      return isDone;
    }),

  /** Ends every session; a browser gets a new one, and a script logs in anew. */
  changePassword: userProcedure
    .input(z.strictObject({ password: passwordSchema, currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const session = await changePassword(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx) });
      if (session) handOver(ctx, session);
      return isDone;
    }),
});

const ofAccount = (ctx: Context & { user: SessionUser }) => ({
  actor: { ...actorOf(ctx), userId: ctx.user.id },
  sessionId: ctx.sessionId,
  visitor: ctx.isScript ? null : visitorOf(ctx),
});
