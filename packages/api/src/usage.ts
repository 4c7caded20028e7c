import { AppError, day, findCharge, line, listUsage, readUsageTotals, timeZone, walletOf } from "@codex-gateway/domain";
import { z } from "zod";
import { router, userProcedure } from "./trpc.ts";

const charge = z.strictObject({
  request_id: z.string(),
  created_at: z.string(),
  endpoint: z.string(),
  model: z.string(),
  service_tier: z.string().nullable(),
  usage: z.record(z.string(), z.number().optional()),
  cost_usd: z.string(),
  basis: z.string(),
  flags: z.array(z.string()),
  output_cap: z.number().nullable(),
  latency_ms: z.number(),
  is_stream: z.boolean(),
  price_version: z.strictObject({
    id: z.string(),
    usd_per_million: z.record(z.string(), z.string()),
    tier_ppm: z.string(),
    markup_ppm: z.number(),
  }),
});

const usageFilter = z.strictObject({
  fromDay: day,
  toDay: day,
  timeZone,
  model: line({ max: 256 }).nullable(),
  apiKeyId: z.uuid().nullable(),
});

export const usageRow = z.strictObject({
  requestId: z.string(),
  createdAt: z.date(),
  model: z.string(),
  endpoint: z.string(),
  keyName: z.string(),
  inputTokens: z.number(),
  cachedTokens: z.number(),
  outputTokens: z.number(),
  costUsd: z.string(),
  latencyMs: z.number(),
  basis: z.enum(["exact", "observed", "estimate", "orphan"]),
  isRefunded: z.boolean(),
});

export const usage = router({
  totals: userProcedure
    .input(usageFilter)
    .output(
      z.strictObject({
        requests: z.number(),
        inputTokens: z.number(),
        outputTokens: z.number(),
        costUsd: z.string(),
      }),
    )
    .query(({ ctx, input }) => readUsageTotals(ctx.db, { ...input, userId: ctx.user.id })),

  list: userProcedure
    .input(
      usageFilter.extend({
        limit: z.int().min(1).max(1_000).default(25),
        offset: z.int().min(0).max(10_000_000).default(0),
      }),
    )
    .output(z.array(usageRow))
    .query(({ ctx, input: { limit, offset, ...filter } }) =>
      listUsage(ctx.db, { ...filter, userId: ctx.user.id }, { limit, offset }),
    ),

  charge: userProcedure
    .input(z.strictObject({ requestId: z.uuid() }))
    .output(charge)
    .query(async ({ ctx, input }) => {
      const found = await findCharge(ctx.db, { accountId: await walletOf(ctx.db, ctx.user.id), ...input });
      if (!found) throw new AppError("not_found", "The charge does not exist.");
      return found;
    }),
});
