import { createKey, deleteKey, isNetwork, listKeys } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "./context.ts";
import { usdInput } from "./setup.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

export const keySummary = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  masked: z.string(),
  createdAt: z.date(),
  lastUsedAt: z.date().nullable(),
  status: z.enum(["active", "disabled"]),
  expiresAt: z.date().nullable(),
  limits: z.strictObject({
    requestsPerMinute: z.number().nullable(),
    tokensPerMinute: z.number().nullable(),
    concurrentRequests: z.number().nullable(),
    dailyBudgetUsd: z.string().nullable(),
    monthlyBudgetUsd: z.string().nullable(),
  }),
});

const limitInput = (max: number) =>
  z.coerce.number("Enter a whole number.").int().min(1, "Enter at least 1.").max(max).nullable().default(null);
const budgetInput = usdInput
  .refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero.")
  .nullable()
  .default(null);

export const keys = router({
  list: userProcedure.output(z.array(keySummary)).query(({ ctx }) => listKeys(ctx.db, ctx.user.id)),

  create: userProcedure
    .input(
      z.strictObject({
        name: z.string().trim().min(1, "Give the key a name.").max(100),
        requestsPerMinute: limitInput(1_000_000),
        tokensPerMinute: limitInput(1_000_000_000),
        concurrentRequests: limitInput(100_000),
        dailyBudgetUsd: budgetInput,
        monthlyBudgetUsd: budgetInput,
        allowedModels: z.array(z.string().trim().min(1).max(200)).max(100).default([]),
        /** By their names in /v1; none: all of them. */
        allowedEndpoints: z
          .array(z.enum(["chat.completions", "responses", "completions", "embeddings"]))
          .max(4)
          .default([]),
        /** Addresses and networks; none: from everywhere. */
        allowedAddresses: z
          .array(z.string().trim().refine(isNetwork, "Enter addresses or networks such as 10.0.0.0/8."))
          .max(100)
          .default([]),
        /** The last day on which the key works, in UTC; null: for ever. */
        lastDay: z.iso.date("Enter a date.").nullable().default(null),
      }),
    )
    .output(z.strictObject({ key: keySummary, secret: z.string() }))
    .mutation(({ ctx, input }) => {
      const { keyPepper } = ctx.secrets;
      const { name, lastDay, dailyBudgetUsd, monthlyBudgetUsd, ...limits } = input;
      return createKey(ctx.db, {
        userId: ctx.user.id,
        name,
        limits: { ...limits, dailyBudgetNanoUsd: dailyBudgetUsd, monthlyBudgetNanoUsd: monthlyBudgetUsd },
        expiresAt: lastDay === null ? null : new Date(`${lastDay}T23:59:59.999Z`),
        actor: actorOf(ctx),
        keyPepper,
      });
    }),

  delete: userProcedure
    .input(z.strictObject({ keyId: z.uuid() }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await deleteKey(ctx.db, { userId: ctx.user.id, keyId: input.keyId, actor: actorOf(ctx) });
      return isDone;
    }),
});
