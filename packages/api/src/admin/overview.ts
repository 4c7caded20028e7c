import { readDailyUsage, readSettings, readSystemOverview, timeZone } from "@codex-gateway/domain";
import { z } from "zod";
import { dayOfUsage } from "../dashboard.ts";
import { adminProcedure, router } from "../trpc.ts";

const both = <Value extends z.ZodType>(value: Value) => z.strictObject({ total: value, today: value });

export const overview = router({
  figures: adminProcedure
    .input(z.strictObject({ timeZone }))
    .output(
      z.strictObject({
        users: both(z.number()),
        revenueUsd: both(z.string()),
        spendUsd: both(z.string()),
        keys: both(z.number()),
        requestsToday: z.number(),
        debtUsd: z.string(),
        debtors: z.number(),
      }),
    )
    .query(({ ctx, input }) => readSystemOverview(ctx.db, input)),

  days: adminProcedure
    .input(z.strictObject({ timeZone }))
    .output(z.array(dayOfUsage))
    .query(({ ctx, input }) => readDailyUsage(ctx.db, { userId: null, days: 30, ...input })),

  announcement: adminProcedure.output(z.string()).query(async ({ ctx }) => (await readSettings(ctx.db)).announcement),
});
