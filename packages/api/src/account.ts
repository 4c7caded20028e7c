import {
  changeEmail,
  changePassword,
  emailSchema,
  listSessions,
  passwordSchema,
  revokeSession,
  secretText,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "./context.ts";
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

  changeEmail: userProcedure
    .input(z.strictObject({ email: emailSchema, currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await changeEmail(ctx.db, { ...input, actor: { ...actorOf(ctx), userId: ctx.user.id } });
      return isDone;
    }),

  changePassword: userProcedure
    .input(z.strictObject({ password: passwordSchema, currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const actor = { ...actorOf(ctx), userId: ctx.user.id };
      await changePassword(ctx.db, { ...input, sessionId: ctx.sessionId, actor });
      return isDone;
    }),
});
