import {
  adjustUserBalance,
  limit,
  line,
  listKeys,
  listUsage,
  listUsers,
  readUser,
  refundCharge,
  setUserLimits,
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
  role: z.enum(["owner", "admin", "user"]),
  status: z.enum(["active", "suspended"]),
  createdAt: z.date(),
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

export const users = router({
  list: adminProcedure
    .input(
      z.strictObject({
        search: line({ max: 200 }).default(""),
        status: z.enum(["active", "suspended"]).nullable().default(null),
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

  setStatus: adminProcedure
    .input(z.strictObject({ userId: z.uuid(), status: z.enum(["active", "suspended"]) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setUserStatus(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),
});
