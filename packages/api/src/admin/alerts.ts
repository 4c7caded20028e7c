import {
  alertChannels,
  AppError,
  checkAlertTarget,
  line,
  readAlertSettings,
  readLastFailures,
  recordAlertTest,
  usdInput,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

/** Empty: it stays as it is. */
const secret = line({ max: 500 }).transform((text) => text || null);

export const alertInputs = {
  lowBalanceUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
  webhookUrl: line({ max: 2_000 }),
  webhookSecret: secret,
  smtpUrl: secret,
  emailFrom: line({ max: 300 }),
  emailTo: line({ max: 2_000 }),
};

const failure = z.strictObject({ failedAt: z.date(), fault: z.string(), isOver: z.boolean() }).nullable();

export const alerts = router({
  get: adminProcedure
    .output(
      z.strictObject({
        lowBalanceUsd: z.string(),
        webhookUrl: z.string(),
        emailFrom: z.string(),
        emailTo: z.string(),
        hasWebhookSecret: z.boolean(),
        hasSmtpUrl: z.boolean(),
      }),
    )
    .query(({ ctx }) => readAlertSettings(ctx.db, ctx.secrets)),

  /** What could not be sent, the last time for each channel. */
  failures: adminProcedure
    .output(z.strictObject({ webhook: failure, email: failure }))
    .query(({ ctx }) => readLastFailures(ctx.db)),

  /** Sends a test by what was typed, before it is saved. */
  test: adminProcedure
    .input(z.strictObject({ ...alertInputs, channel: z.enum(alertChannels) }))
    .output(done)
    .mutation(async ({ ctx, input: { channel, lowBalanceUsd, ...rest } }) => {
      const typed = { ...rest, lowBalanceNanoUsd: lowBalanceUsd };
      const fault = await ctx.sendTestAlert(await checkAlertTarget(ctx.db, ctx.secrets, { channel, input: typed }));
      await recordAlertTest(ctx.db, { channel, fault, actor: actorOf(ctx) });
      if (fault !== null) throw new AppError("invalid_input", fault);
      return isDone;
    }),
});
