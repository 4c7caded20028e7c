import {
  AppError,
  createKey,
  day,
  deleteKey,
  isNetwork,
  limit,
  line,
  list,
  listKeys,
  rotateKey,
  setKeyStatus,
  updateKey,
  usdInput,
  wholeNumber,
} from "@codex-gateway/domain";
import type { KeyPolicy } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, type Context } from "./context.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

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

const budgetInput = usdInput.refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero.").nullable();

const policyInput = z.strictObject({
  name: line({ max: 100, required: "Give the key a name." }),
  requestsPerMinute: limit(1_000_000),
  tokensPerMinute: limit(1_000_000_000),
  concurrentRequests: limit(100_000),
  dailyBudgetUsd: budgetInput,
  monthlyBudgetUsd: budgetInput,
  /** A name may end in `*`; none: all of them. */
  allowedModels: list(line({ max: 200, required: "Enter the name of the model." }), { max: 100 }),
  /** By their names; none: all of them. */
  allowedEndpoints: list(line({ max: 100 }), { max: 100 }),
  /** Addresses and networks; none: from everywhere. */
  allowedAddresses: list(line({ max: 50 }).refine(isNetwork, "Enter addresses or networks such as 10.0.0.0/8."), {
    max: 100,
  }),
  /** The last day on which the key works, in UTC; null: for ever. */
  lastDay: day.nullable(),
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

/** @throws AppError where an endpoint is none of those that are served */
function policyOf({ endpoints }: Context, { lastDay, dailyBudgetUsd, monthlyBudgetUsd, ...rest }: Policy): KeyPolicy {
  if (!rest.allowedEndpoints.every((each) => endpoints.includes(each))) {
    throw new AppError("invalid_input", "Choose endpoints that are served here.", "allowedEndpoints");
  }
  return {
    ...rest,
    dailyBudgetNanoUsd: dailyBudgetUsd,
    monthlyBudgetNanoUsd: monthlyBudgetUsd,
    expiresAt: lastDay === null ? null : new Date(`${lastDay}T23:59:59.999Z`),
  };
}

const keyId = z.uuid();
/** Left empty it is refused: no secret ends because somebody said nothing. */
const graceHours = wholeNumber({ min: 0, max: 168, notANumber: "Enter a number of hours." });

export const keys = router({
  list: userProcedure.output(z.array(keySummary)).query(({ ctx }) => listKeys(ctx.db, ctx.user.id)),

  /** What a key may be kept to, by name. */
  endpoints: userProcedure.output(z.array(z.string())).query(({ ctx }) => [...ctx.endpoints]),

  /** What is left out is not limited. */
  create: userProcedure
    .input(policyInput.partial().required({ name: true }))
    .output(z.strictObject({ key: keySummary, secret: z.string() }))
    .mutation(({ ctx, input }) => {
      const given = Object.entries<unknown>(input).filter(([, value]) => value !== undefined);
      const { name, expiresAt, ...limits } = policyOf(ctx, {
        ...noLimits,
        name: input.name,
        ...Object.fromEntries(given),
      });
      const { keyPepper } = ctx.secrets;
      return createKey(ctx.db, { userId: ctx.user.id, name, limits, expiresAt, actor: actorOf(ctx), keyPepper });
    }),

  update: userProcedure
    .input(policyInput.extend({ keyId }))
    .output(done)
    .mutation(async ({ ctx, input: { keyId, ...policy } }) => {
      await updateKey(ctx.db, { userId: ctx.user.id, keyId, policy: policyOf(ctx, policy), actor: actorOf(ctx) });
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
    .input(z.strictObject({ keyId, masked: line({ max: 50 }), graceHours }))
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
