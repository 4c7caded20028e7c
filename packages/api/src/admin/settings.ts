import { readAdminSettings, saveAdminSettings } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { usdInput } from "../setup.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

export const settings = router({
  get: adminProcedure
    .output(
      z.strictObject({
        announcement: z.string(),
        defaultBalanceUsd: z.string(),
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: z.number(),
        allowsPrivateUpstreams: z.boolean(),
        upstream: z.strictObject({ baseUrl: z.string(), keyLastFour: z.string() }).nullable(),
      }),
    )
    .query(({ ctx }) => readAdminSettings(ctx.db)),

  update: adminProcedure
    .input(
      z.strictObject({
        announcement: z.string().max(5_000),
        defaultBalanceUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: z.coerce.number().int().min(16).max(1_000_000),
        allowsPrivateUpstreams: z.boolean(),
        baseUrl: z.string().trim().min(1).max(500),
        /** Empty: the key stays as it is. */
        apiKey: z.string().trim().max(500),
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const { baseUrl, apiKey, defaultBalanceUsd, ...rest } = input;
      await saveAdminSettings(ctx.db, ctx.secrets, {
        settings: { ...rest, defaultBalanceNanoUsd: String(defaultBalanceUsd) },
        upstream: { baseUrl, apiKey: apiKey === "" ? null : apiKey },
        actor: actorOf(ctx),
      });
      return isDone;
    }),
});
