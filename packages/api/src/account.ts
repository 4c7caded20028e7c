import {
  acceptOwnership,
  beginTwoFactors,
  changeEmail,
  changePassword,
  confirmTwoFactors,
  disableTwoFactors,
  dropOwnershipOffer,
  emailSchema,
  line,
  listSessions,
  offerOwnership,
  passwordSchema,
  readOwnershipOffer,
  readTwoFactors,
  renewRecoveryCodes,
  revokeSession,
  secretText,
  type SessionUser,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf, type Context } from "./context.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

const currentPassword = secretText({ max: 128, required: "Enter your current password." });

const recoveryCodes = z.strictObject({ recoveryCodes: z.array(z.string()) });

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

  twoFactors: userProcedure
    .output(
      z.strictObject({
        isOn: z.boolean(),
        recoveryCodesLeft: z.number(),
        /** What the app is to be given, until it has shown that it has it. */
        pending: z.strictObject({ secret: z.string(), uri: z.string() }).nullable(),
      }),
    )
    .query(({ ctx }) => readTwoFactors(ctx.db, ctx.secrets, { userId: ctx.user.id, email: ctx.user.email })),

  beginTwoFactors: userProcedure
    .input(z.strictObject({ currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await beginTwoFactors(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx), secrets: ctx.secrets });
      return isDone;
    }),

  /** The recovery codes are answered here and never again. */
  confirmTwoFactors: userProcedure
    .input(z.strictObject({ code: line({ max: 40, required: "Enter the code." }) }))
    .output(recoveryCodes)
    .mutation(({ ctx, input }) =>
      confirmTwoFactors(ctx.db, { ...input, secrets: ctx.secrets, actor: ofAccount(ctx).actor }),
    ),

  renewRecoveryCodes: userProcedure
    .input(z.strictObject({ currentPassword }))
    .output(recoveryCodes)
    .mutation(({ ctx, input }) => renewRecoveryCodes(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx) })),

  disableTwoFactors: userProcedure
    .input(z.strictObject({ currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await disableTwoFactors(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx) });
      return isDone;
    }),

  /** An offer of the ownership that the user has made, or that was made to them. */
  ownership: userProcedure
    .output(z.strictObject({ email: z.string(), isMine: z.boolean(), expiresAt: z.date() }).nullable())
    .query(({ ctx }) => readOwnershipOffer(ctx.db, { userId: ctx.user.id, role: ctx.user.role })),

  offerOwnership: userProcedure
    .input(z.strictObject({ email: emailSchema, currentPassword }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await offerOwnership(ctx.db, ctx.throttles, { ...input, ...ofAccount(ctx) });
      return isDone;
    }),

  /** By who made the offer, or whom it was made to. */
  dropOwnershipOffer: userProcedure.output(done).mutation(async ({ ctx }) => {
    await dropOwnershipOffer(ctx.db, { actor: ofAccount(ctx).actor });
    return isDone;
  }),

  /** Ends every session of both; a browser gets a new one. */
  acceptOwnership: userProcedure.output(done).mutation(async ({ ctx }) => {
    const { actor, visitor } = ofAccount(ctx);
    const session = await acceptOwnership(ctx.db, { actor, visitor });
    if (session) handOver(ctx, session);
    return isDone;
  }),
});

const ofAccount = (ctx: Context & { user: SessionUser }) => ({
  actor: { ...actorOf(ctx), userId: ctx.user.id },
  sessionId: ctx.sessionId,
  visitor: ctx.isScript ? null : visitorOf(ctx),
});
