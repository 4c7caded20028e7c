import {
  adjustUserBalance,
  createUser,
  deleteUser,
  emailSchema,
  endUserSessions,
  grantableRoles,
  issueResetLink,
  limit,
  line,
  listKeys,
  listSessions,
  listUsage,
  listUsers,
  readUser,
  refundCharge,
  removeUserTwoFactors,
  roles,
  sessionName,
  setUserKeyStatus,
  setUserLimits,
  setUserRole,
  setUserStatus,
  timeZone,
  usdInput,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { keySummary } from "../keys.ts";
import { usageRow } from "../usage.ts";
import { adminProcedure, done, isDone, page, router } from "../trpc.ts";

const userSummary = z.strictObject({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(roles),
  status: z.enum(["active", "suspended"]),
  createdAt: z.date(),
  deletedAt: z.date().nullable(),
  balanceUsd: z.string(),
  heldUsd: z.string(),
});

const limits = {
  requestsPerMinute: z.number().nullable(),
  tokensPerMinute: z.number().nullable(),
  concurrentRequests: z.number().nullable(),
};
const limitInputs = {
  requestsPerMinute: limit(1_000_000),
  tokensPerMinute: limit(1_000_000_000),
  concurrentRequests: limit(100_000),
};

/** A link's token is answered once. */
const link = z.strictObject({ token: z.string(), expiresAt: z.date() });
export const startingBalance = usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more.");
const ofUser = z.strictObject({ userId: z.uuid() });

export const users = router({
  list: adminProcedure
    .input(
      z.strictObject({
        search: line({ max: 200 }).default(""),
        status: z.enum(["active", "suspended", "deleted"]).nullable().default(null),
        ...page,
      }),
    )
    .output(z.strictObject({ users: z.array(userSummary), total: z.number() }))
    .query(({ ctx, input }) => listUsers(ctx.db, input)),

  get: adminProcedure
    .input(z.strictObject({ userId: z.uuid() }))
    .output(
      userSummary.extend({
        ...limits,
        debtUsd: z.string(),
        keyCount: z.number(),
        spentUsd: z.string(),
        tokens: z.number(),
        requests: z.number(),
        sessionCount: z.number(),
        hasPassword: z.boolean(),
        hasTwoFactors: z.boolean(),
      }),
    )
    .query(({ ctx, input }) => readUser(ctx.db, input.userId)),

  keys: adminProcedure
    .input(z.strictObject({ userId: z.uuid() }))
    .output(z.array(keySummary))
    .query(({ ctx, input }) => listKeys(ctx.db, input.userId)),

  /** The newest charges of the last 30 days. */
  usage: adminProcedure
    .input(z.strictObject({ userId: z.uuid(), timeZone }))
    .output(z.array(usageRow))
    .query(({ ctx, input }) => {
      const dayOf = (daysAgo: number) => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10);
      const range = { fromDay: dayOf(30), toDay: dayOf(-1), model: null, apiKeyId: null };
      return listUsage(ctx.db, { ...input, ...range }, { limit: 10, offset: 0 });
    }),

  setLimits: adminProcedure
    .input(z.strictObject({ userId: z.uuid(), ...limitInputs }))
    .output(done)
    .mutation(async ({ ctx, input: { userId, ...rest } }) => {
      await setUserLimits(ctx.db, { userId, limits: rest, actor: actorOf(ctx) });
      return isDone;
    }),

  adjustBalance: adminProcedure
    .input(
      z.strictObject({
        userId: z.uuid(),
        amountUsd: usdInput,
        isPaid: z.boolean(),
        note: line({ max: 500 }),
        /** Made once per shown form: the same form sent twice counts once. */
        formId: z.uuid(),
      }),
    )
    .output(z.strictObject({ balanceUsd: z.string() }))
    .mutation(({ ctx, input: { amountUsd, ...rest } }) =>
      adjustUserBalance(ctx.db, { ...rest, amountNanoUsd: amountUsd, actor: actorOf(ctx) }),
    ),

  /** Gives back a charge that is not exact; once. */
  refundCharge: adminProcedure
    .input(z.strictObject({ requestId: z.uuid() }))
    .output(z.strictObject({ amountUsd: z.string() }))
    .mutation(({ ctx, input }) => refundCharge(ctx.db, { ...input, actor: actorOf(ctx) })),

  /** Whoever has the link chooses the password. */
  create: adminProcedure
    .input(z.strictObject({ email: emailSchema, role: z.enum(grantableRoles), balanceUsd: startingBalance }))
    .output(z.strictObject({ userId: z.uuid(), link }))
    .mutation(({ ctx, input: { balanceUsd, ...rest } }) =>
      createUser(ctx.db, { ...rest, creditNanoUsd: balanceUsd, actor: actorOf(ctx) }),
    ),

  /** A link by which the user chooses another password; the one that there is works on until then. */
  issueResetLink: adminProcedure
    .input(ofUser)
    .output(link)
    .mutation(({ ctx, input }) => issueResetLink(ctx.db, { ...input, actor: actorOf(ctx) })),

  setRole: adminProcedure
    .input(ofUser.extend({ role: z.enum(grantableRoles) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setUserRole(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  sessions: adminProcedure
    .input(ofUser)
    .output(
      z.array(z.strictObject({ id: z.string(), createdAt: z.date(), userAgent: z.string(), address: z.string() })),
    )
    .query(async ({ ctx, input }) => {
      const sessions = await listSessions(ctx.db, { ...input, sessionId: null });
      return sessions.map(({ id, createdAt, userAgent, address }) => ({
        id: sessionName(id),
        createdAt,
        userAgent,
        address,
      }));
    }),

  endSessions: adminProcedure
    .input(ofUser)
    .output(z.strictObject({ ended: z.number() }))
    .mutation(async ({ ctx, input }) => ({ ended: await endUserSessions(ctx.db, { ...input, actor: actorOf(ctx) }) })),

  removeTwoFactors: adminProcedure
    .input(ofUser)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await removeUserTwoFactors(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  setKeyStatus: adminProcedure
    .input(ofUser.extend({ keyId: z.uuid(), status: z.enum(["active", "disabled"]) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setUserKeyStatus(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  /** `email`: the user's, typed once more. */
  delete: adminProcedure
    .input(ofUser.extend({ email: emailSchema }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await deleteUser(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  setStatus: adminProcedure
    .input(z.strictObject({ userId: z.uuid(), status: z.enum(["active", "suspended"]) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setUserStatus(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),
});
