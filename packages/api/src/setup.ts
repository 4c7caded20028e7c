import {
  AppError,
  checkedBaseUrl,
  completeSetup,
  credentialsSchema,
  hasOwner,
  headerSecret,
  line,
  lines,
  recordUpstreamTest,
  requireSetupToken,
  usdInput,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, handOver, visitorOf } from "./context.ts";
import { done, isDone, publicProcedure, router } from "./trpc.ts";

const token = line({ max: 200, required: "The set-up token is not the one that the start printed." });
const upstreamInput = z.strictObject({
  baseUrl: line({ max: 500, required: "Enter an address such as https://api.openai.com/v1." }),
  apiKey: headerSecret({ max: 500 }).pipe(z.string().min(8, "Enter the OpenAI API key.")),
  /** Whether the address may lie in a private network or be plain http. */
  isPrivateAllowed: z.boolean().default(false),
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
        announcement: lines({ max: 5_000 }),
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
