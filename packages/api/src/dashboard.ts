import {
  line,
  listUsedModels,
  readDailyUsage,
  readSettings,
  readUserOverview,
  redeemCode,
  timeZone,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "./context.ts";
import { router, userProcedure } from "./trpc.ts";

export const dayOfUsage = z.strictObject({
  day: z.string(),
  series: z.string(),
  requests: z.number(),
  tokens: z.number(),
  costUsd: z.string(),
});

export const dashboard = router({
  overview: userProcedure
    .input(z.strictObject({ timeZone }))
    .output(
      z.strictObject({
        balanceUsd: z.string(),
        heldUsd: z.string(),
        debtUsd: z.string(),
        keyCount: z.number(),
        spentTodayUsd: z.string(),
        requestsToday: z.number(),
        isLow: z.boolean(),
      }),
    )
    .query(({ ctx, input }) => readUserOverview(ctx.db, { userId: ctx.user.id, ...input })),

  announcement: userProcedure.output(z.string()).query(async ({ ctx }) => (await readSettings(ctx.db)).announcement),

  days: userProcedure
    .input(z.strictObject({ timeZone }))
    .output(z.array(dayOfUsage))
    .query(({ ctx, input }) => readDailyUsage(ctx.db, { userId: ctx.user.id, days: 30, ...input })),

  models: userProcedure.output(z.array(z.string())).query(({ ctx }) => listUsedModels(ctx.db, ctx.user.id)),

  redeem: userProcedure
    .input(z.strictObject({ code: line({ max: 100, required: "Enter a code." }) }))
    .output(z.strictObject({ amountUsd: z.string() }))
    .mutation(({ ctx, input }) =>
      redeemCode(ctx.db, ctx.throttles, {
        typed: input.code,
        actor: { ...actorOf(ctx), userId: ctx.user.id },
        secrets: ctx.secrets,
      }),
    ),
});
