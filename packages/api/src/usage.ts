import { listCharges, readCredits, walletOf } from "@codex-gateway/domain";
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
  latency_ms: z.number(),
  is_stream: z.boolean(),
  price_version: z.strictObject({
    id: z.string(),
    usd_per_million: z.record(z.string(), z.string()),
    tier_ppm: z.string(),
    markup_ppm: z.number(),
  }),
});

export const usage = router({
  credits: userProcedure
    .output(
      z.strictObject({
        balance_usd: z.string(),
        held_usd: z.string(),
        spent_today_usd: z.string(),
        requests_today: z.number(),
      }),
    )
    .query(async ({ ctx }) => readCredits(ctx.db, await walletOf(ctx.db, ctx.user.id))),

  list: userProcedure
    .input(z.strictObject({ limit: z.int().min(1).max(100).default(50), after: z.uuid().nullable().default(null) }))
    .output(z.strictObject({ charges: z.array(charge), hasMore: z.boolean() }))
    .query(async ({ ctx, input }) => listCharges(ctx.db, { accountId: await walletOf(ctx.db, ctx.user.id), ...input })),
});
