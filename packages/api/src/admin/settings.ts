import { readAdminSettings, saveAdminSettings } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { usdInput } from "../setup.ts";
import { alertInputs } from "./alerts.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

function seconds(max: number) {
  return z.coerce.number("Enter a whole number.").int().min(1, "Enter at least 1.").max(max);
}

/** By the names of the settings. */
const timeouts = {
  connectTimeoutSeconds: seconds(120),
  streamTimeoutSeconds: seconds(3_600),
  answerTimeoutSeconds: seconds(7_200),
  idleTimeoutSeconds: seconds(3_600),
  totalTimeoutSeconds: seconds(86_400),
};

const limit = z.number().int().nullable();
/** Empty: unlimited. */
const limitInput = (max: number) => z.coerce.number("Enter a whole number.").int().min(1).max(max).nullable();

export const settings = router({
  get: adminProcedure
    .output(
      z.strictObject({
        announcement: z.string(),
        defaultBalanceUsd: z.string(),
        minimumTopUpUsd: z.string(),
        defaultRequestsPerMinute: limit,
        defaultTokensPerMinute: limit,
        defaultConcurrentRequests: limit,
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: z.number(),
        drainsOnDisconnect: z.boolean(),
        allowsPrivateUpstreams: z.boolean(),
        ...timeouts,
        upstream: z.strictObject({ baseUrl: z.string(), keyLastFour: z.string() }).nullable(),
      }),
    )
    .query(({ ctx }) => readAdminSettings(ctx.db)),

  update: adminProcedure
    .input(
      z.strictObject({
        announcement: z.string().max(5_000),
        defaultBalanceUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
        minimumTopUpUsd: usdInput.refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero."),
        defaultRequestsPerMinute: limitInput(1_000_000),
        defaultTokensPerMinute: limitInput(1_000_000_000),
        defaultConcurrentRequests: limitInput(100_000),
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: z.coerce.number().int().min(16).max(1_000_000),
        drainsOnDisconnect: z.boolean(),
        allowsPrivateUpstreams: z.boolean(),
        ...timeouts,
        baseUrl: z.string().trim().min(1).max(500),
        /** Empty: the key stays as it is. */
        apiKey: z.string().trim().max(500),
        /** What is left out of these stays as it is. */
        ...z.strictObject(alertInputs).partial().shape,
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const { baseUrl, apiKey, defaultBalanceUsd, minimumTopUpUsd, ...others } = input;
      const { lowBalanceUsd, webhookUrl, webhookSecret, smtpUrl, emailFrom, emailTo, ...rest } = others;
      const lowBalanceNanoUsd = lowBalanceUsd;
      await saveAdminSettings(ctx.db, ctx.secrets, {
        settings: {
          ...rest,
          defaultBalanceNanoUsd: String(defaultBalanceUsd),
          minimumTopUpNanoUsd: String(minimumTopUpUsd),
        },
        upstream: { baseUrl, apiKey: apiKey === "" ? null : apiKey },
        alerts: given({ lowBalanceNanoUsd, webhookUrl, webhookSecret, smtpUrl, emailFrom, emailTo }),
        actor: actorOf(ctx),
      });
      return isDone;
    }),
});

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** The fields that were not left out. */
const given = <Fields extends object>(fields: Fields): Given<Fields> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<Fields>;
