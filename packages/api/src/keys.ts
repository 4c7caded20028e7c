import { createKey, deleteKey, isNetwork, listKeys, rotateKey, setKeyStatus, updateKey } from "@codex-gateway/domain";
import type { KeyPolicy } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "./context.ts";
import { usdInput } from "./setup.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

/** By their names in /v1. */
const endpoint = z.enum(["chat.completions", "responses", "completions", "embeddings"]);

export const keySummary = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  masked: z.string(),
  createdAt: z.date(),
  lastUsedAt: z.date().nullable(),
  status: z.enum(["active", "disabled"]),
  expiresAt: z.date().nullable(),
  previousSecretUntil: z.date().nullable(),
  limits: z.strictObject({
    requestsPerMinute: z.number().nullable(),
    tokensPerMinute: z.number().nullable(),
    concurrentRequests: z.number().nullable(),
    dailyBudgetUsd: z.string().nullable(),
    monthlyBudgetUsd: z.string().nullable(),
    allowedModels: z.array(z.string()),
    allowedEndpoints: z.array(z.string()),
    allowedAddresses: z.array(z.string()),
  }),
});

const limitInput = (max: number) =>
  z.coerce
    .number("Enter a whole number.")
    .int("Enter a whole number.")
    .min(1, "Enter at least 1.")
    .max(max, "Enter a smaller number.")
    .nullable();
const budgetInput = usdInput.refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero.").nullable();

const policyInput = z.strictObject({
  name: z.string().trim().min(1, "Give the key a name.").max(100),
  requestsPerMinute: limitInput(1_000_000),
  tokensPerMinute: limitInput(1_000_000_000),
  concurrentRequests: limitInput(100_000),
  dailyBudgetUsd: budgetInput,
  monthlyBudgetUsd: budgetInput,
  /** A name may end in `*`; none: all of them. */
  allowedModels: z.array(z.string().trim().min(1).max(200)).max(100),
  /** None: all of them. */
  allowedEndpoints: z.array(endpoint).max(4),
  /** Addresses and networks; none: from everywhere. */
  allowedAddresses: z
    .array(z.string().trim().refine(isNetwork, "Enter addresses or networks such as 10.0.0.0/8."))
    .max(100),
  /** The last day on which the key works, in UTC; null: for ever. */
  lastDay: z.iso.date("Enter a date.").nullable(),
});
type Policy = z.output<typeof policyInput>;

const noLimits: Omit<Policy, "name"> = {
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrentRequests: null,
  dailyBudgetUsd: null,
  monthlyBudgetUsd: null,
  allowedModels: [],
  allowedEndpoints: [],
  allowedAddresses: [],
  lastDay: null,
};

const policyOf = ({ lastDay, dailyBudgetUsd, monthlyBudgetUsd, ...rest }: Policy): KeyPolicy => ({
  ...rest,
  dailyBudgetNanoUsd: dailyBudgetUsd,
  monthlyBudgetNanoUsd: monthlyBudgetUsd,
  expiresAt: lastDay === null ? null : new Date(`${lastDay}T23:59:59.999Z`),
});

const keyId = z.uuid();
/** Left empty it is refused: no secret ends because somebody said nothing. */
const graceHours = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d{1,3}$/)
        .transform(Number),
    ],
    "Enter a number of hours.",
  )
  .pipe(z.int().min(0).max(168));

export const keys = router({
  list: userProcedure.output(z.array(keySummary)).query(({ ctx }) => listKeys(ctx.db, ctx.user.id)),

  /** What is left out is not limited. */
  create: userProcedure
    .input(policyInput.partial().required({ name: true }))
    .output(z.strictObject({ key: keySummary, secret: z.string() }))
    .mutation(({ ctx, input }) => {
      const { name, expiresAt, ...limits } = policyOf({ ...noLimits, ...input });
      const { keyPepper } = ctx.secrets;
      return createKey(ctx.db, { userId: ctx.user.id, name, limits, expiresAt, actor: actorOf(ctx), keyPepper });
    }),

  update: userProcedure
    .input(policyInput.extend({ keyId }))
    .output(done)
    .mutation(async ({ ctx, input: { keyId, ...policy } }) => {
      await updateKey(ctx.db, { userId: ctx.user.id, keyId, policy: policyOf(policy), actor: actorOf(ctx) });
      return isDone;
    }),

  setStatus: userProcedure
    .input(z.strictObject({ keyId, status: z.enum(["active", "disabled"]) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setKeyStatus(ctx.db, { ...input, userId: ctx.user.id, actor: actorOf(ctx) });
      return isDone;
    }),

  /** `masked`: the key as the list showed it. The secret before works for `graceHours` more. */
  rotate: userProcedure
    .input(z.strictObject({ keyId, masked: z.string().max(50), graceHours }))
    .output(z.strictObject({ secret: z.string() }))
    .mutation(({ ctx, input }) => {
      const { keyPepper } = ctx.secrets;
      return rotateKey(ctx.db, { ...input, userId: ctx.user.id, actor: actorOf(ctx), keyPepper });
    }),

  delete: userProcedure
    .input(z.strictObject({ keyId }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await deleteKey(ctx.db, { ...input, userId: ctx.user.id, actor: actorOf(ctx) });
      return isDone;
    }),
});
