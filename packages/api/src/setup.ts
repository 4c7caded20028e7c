import {
  AppError,
  checkedBaseUrl,
  completeSetup,
  credentialsSchema,
  hasOwner,
  nanoUsdOf,
  recordUpstreamTest,
  requireSetupToken,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf } from "./context.ts";
import { done, isDone, publicProcedure, router } from "./trpc.ts";

const token = z.string().min(1).max(200);
const upstreamInput = z.strictObject({
  baseUrl: z.string().trim().min(1).max(500),
  apiKey: z.string().trim().min(8, "Enter the OpenAI API key.").max(500),
  /** Whether the address may lie in a private network or be plain http. */
  isPrivateAllowed: z.boolean().default(false),
});
export const usdInput = z
  .string()
  .max(30)
  .transform((text, refinement) => {
    const nanoUsd = nanoUsdOf(text);
    if (nanoUsd !== null) return nanoUsd;
    refinement.addIssue({ code: "custom", message: "Enter an amount in dollars, e.g. 5.00." });
    return z.NEVER;
  });
const nonNegativeUsd = usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more.");

export const setup = router({
  status: publicProcedure
    .output(z.strictObject({ needsSetup: z.boolean() }))
    .query(async ({ ctx }) => ({ needsSetup: !(await hasOwner(ctx.db)) })),

  checkToken: publicProcedure
    .input(z.strictObject({ token }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await requireSetupToken(ctx.db, input.token);
      return isDone;
    }),

  testConnection: publicProcedure
    .input(z.strictObject({ token, upstream: upstreamInput }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await requireSetupToken(ctx.db, input.token);
      const baseUrl = checkedBaseUrl(input.upstream.baseUrl, input.upstream.isPrivateAllowed);
      const fault = await ctx.testUpstream({ ...input.upstream, baseUrl });
      await recordUpstreamTest(ctx.db, { id: null, baseUrl, fault: fault?.message ?? null, actor: actorOf(ctx) });
      if (fault !== null) throw new AppError("invalid_input", fault.message, fault.field);
      return isDone;
    }),

  complete: publicProcedure
    .input(
      z.strictObject({
        token,
        owner: credentialsSchema,
        upstream: upstreamInput,
        announcement: z.string().max(5_000),
        defaultBalanceUsd: nonNegativeUsd,
        isRegistrationOpen: z.boolean(),
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const { announcement, defaultBalanceUsd, isRegistrationOpen } = input;
      const settings = {
        announcement,
        defaultBalanceNanoUsd: String(defaultBalanceUsd),
        isRegistrationOpen,
        allowsPrivateUpstreams: input.upstream.isPrivateAllowed,
      };
      handOver(ctx, await completeSetup(ctx.db, ctx, { ...input, settings }, visitorOf(ctx)));
      return isDone;
    }),
});
