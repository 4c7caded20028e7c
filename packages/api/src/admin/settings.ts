import {
  headerSecret,
  limit,
  line,
  lines,
  readAdminSettings,
  saveAdminSettings,
  usdInput,
  wholeNumber,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { alertInputs } from "./alerts.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

function seconds(max: number) {
  return wholeNumber({ min: 1, max, tooSmall: "Enter at least 1.", tooLarge: "Enter a smaller number." });
}

/** By the names of the settings. */
const timeouts = {
  connectTimeoutSeconds: seconds(120),
  streamTimeoutSeconds: seconds(3_600),
  answerTimeoutSeconds: seconds(7_200),
  idleTimeoutSeconds: seconds(3_600),
  totalTimeoutSeconds: seconds(86_400),
};

/** An origin has a scheme and a host, maybe a port, and nothing behind. */
function areOrigins(text: string): boolean {
  const origins = text.split("\n").map((line) => line.trim());
  return origins.every((line) => line === "" || (URL.canParse(line) && new URL(line).origin === line));
}

const savedLimit = z.number().int().nullable();

export const settings = router({
  get: adminProcedure
    .output(
      z.strictObject({
        announcement: z.string(),
        defaultBalanceUsd: z.string(),
        minimumTopUpUsd: z.string(),
        maxCallDebtUsd: z.string(),
        maxUserDebtUsd: z.string(),
        defaultRequestsPerMinute: savedLimit,
        defaultTokensPerMinute: savedLimit,
        defaultConcurrentRequests: savedLimit,
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: z.number(),
        minReasoningOutputTokens: z.number(),
        chargesBrokenAnswers: z.boolean(),
        remoteInputTokens: z.number(),
        drainsOnDisconnect: z.boolean(),
        allowsPrivateUpstreams: z.boolean(),
        maxBodyMebibytes: z.number(),
        allowedOrigins: z.string(),
        ...timeouts,
        upstream: z.strictObject({ baseUrl: z.string(), keyLastFour: z.string() }).nullable(),
      }),
    )
    .query(({ ctx }) => readAdminSettings(ctx.db)),

  update: adminProcedure
    .input(
      z.strictObject({
        announcement: lines({ max: 5_000 }),
        defaultBalanceUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
        minimumTopUpUsd: usdInput.refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero."),
        maxCallDebtUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
        maxUserDebtUsd: usdInput.refine((nanoUsd) => nanoUsd >= 0n, "Enter an amount of zero or more."),
        defaultRequestsPerMinute: limit(1_000_000),
        defaultTokensPerMinute: limit(1_000_000_000),
        defaultConcurrentRequests: limit(100_000),
        isRegistrationOpen: z.boolean(),
        defaultMaxOutputTokens: wholeNumber({ min: 16, max: 1_000_000 }),
        minReasoningOutputTokens: wholeNumber({ min: 16, max: 1_000_000 }),
        chargesBrokenAnswers: z.boolean(),
        remoteInputTokens: wholeNumber({ min: 0, max: 1_000_000 }),
        drainsOnDisconnect: z.boolean(),
        allowsPrivateUpstreams: z.boolean(),
        maxBodyMebibytes: wholeNumber({
          min: 1,
          max: 64,
          tooSmall: "Enter at least 1.",
          tooLarge: "Enter a smaller number.",
        }),
        allowedOrigins: lines({ max: 2_000 }).refine(
          areOrigins,
          "Enter origins such as https://chat.example.com, one a line.",
        ),
        ...timeouts,
        baseUrl: line({ max: 500, required: "Enter an address such as https://api.openai.com/v1." }),
        /** Empty: the key stays as it is. */
        apiKey: headerSecret({ max: 500 }),
        /** What is left out of these stays as it is. */
        ...z.strictObject(alertInputs).partial().shape,
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const { baseUrl, apiKey, defaultBalanceUsd, minimumTopUpUsd, maxCallDebtUsd, maxUserDebtUsd, ...others } = input;
      const { lowBalanceUsd, webhookUrl, webhookSecret, smtpUrl, emailFrom, emailTo, ...rest } = others;
      const lowBalanceNanoUsd = lowBalanceUsd;
      await saveAdminSettings(ctx.db, ctx.secrets, {
        settings: {
          ...rest,
          defaultBalanceNanoUsd: String(defaultBalanceUsd),
          minimumTopUpNanoUsd: String(minimumTopUpUsd),
          maxCallDebtNanoUsd: String(maxCallDebtUsd),
          maxUserDebtNanoUsd: String(maxUserDebtUsd),
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
