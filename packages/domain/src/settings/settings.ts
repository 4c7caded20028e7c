/** What an admin can change while it runs; each setting is a row, and a missing row is its default. */
import type { Queryable } from "@codex-gateway/db";
import { z } from "zod";

export const settingsSchema = z.strictObject({
  /** Shown to users; text. */
  announcement: z.string().max(5_000).default(""),
  /** What a new user starts with, nano-USD. */
  defaultBalanceNanoUsd: z
    .string()
    .regex(/^\d{1,18}$/)
    .default("0"),
  isRegistrationOpen: z.boolean().default(true),
  /** Sent upstream where neither the client nor the model's price says how long an answer may get. */
  defaultMaxOutputTokens: z.int().min(16).max(1_000_000).default(32_768),
  /** The least output that a model that reasons is asked for: below it, it would think and say nothing. */
  minReasoningOutputTokens: z.int().min(16).max(1_000_000).default(2_000),
  /**
   * What a stream may cost beyond the money that could be held for it, nano-USD: beyond it, it ends. What is owed at its end is a
   * debt. Of one call, and of all a user's calls that a process has under way.
   */
  maxCallDebtNanoUsd: z
    .string()
    .regex(/^\d{1,18}$/)
    .default("0"),
  maxUserDebtNanoUsd: z
    .string()
    .regex(/^\d{1,18}$/)
    .default("0"),
  /** Whether what came of an answer is charged that the provider has broken off. */
  chargesBrokenAnswers: z.boolean().default(true),
  /**
   * What an address, an earlier response, or one call of a tool that the provider runs comes to, where a wallet cannot
   * afford the model's whole context for it.
   */
  remoteInputTokens: z.int().min(0).max(1_000_000).default(8_000),
  /** Whether a stream whose client has left is read to its end, for its exact usage, instead of stopped at once. */
  drainsOnDisconnect: z.boolean().default(false),
  /** Limits of users that have none of their own; null: unlimited. */
  defaultRequestsPerMinute: z.int().min(1).max(1_000_000).nullable().default(null),
  defaultTokensPerMinute: z.int().min(1).max(1_000_000_000).nullable().default(null),
  defaultConcurrentRequests: z.int().min(1).max(100_000).nullable().default(null),
  /** The least that a redeem code may be worth, nano-USD. */
  minimumTopUpNanoUsd: z
    .string()
    .regex(/^\d{1,18}$/)
    .default("10000000000"),
  /** Whether an upstream may lie in a private network (Ollama, vLLM); it also allows plain http. */
  allowsPrivateUpstreams: z.boolean().default(false),
  /** A balance below it is low, nano-USD: its user sees a note, and whoever runs the gateway is told. Zero: never. */
  lowBalanceNanoUsd: z
    .string()
    .regex(/^\d{1,18}$/)
    .default("1000000000"),
  /** Where alerts are posted; empty: nowhere. */
  alertWebhookUrl: z.string().max(2_000).default(""),
  /** Who alerts are mailed from and to, the latter several with commas between them; empty: nobody. */
  alertEmailFrom: z.string().max(300).default(""),
  alertEmailTo: z.string().max(2_000).default(""),
  /** How long an upstream may take: to be connected to, for the head of a stream, for a whole answer, between two bytes, in all. */
  connectTimeoutSeconds: z.int().min(1).max(120).default(10),
  streamTimeoutSeconds: z.int().min(1).max(3_600).default(120),
  answerTimeoutSeconds: z.int().min(1).max(7_200).default(600),
  idleTimeoutSeconds: z.int().min(1).max(3_600).default(300),
  /** The largest body of a call, and what a packed one may unpack to, in MiB. */
  maxBodyMebibytes: z.int().min(1).max(64).default(25),
  /** Origins of pages that may call /v1 from browsers, one a line; empty: none. */
  allowedOrigins: z.string().max(2_000).default(""),
  totalTimeoutSeconds: z.int().min(1).max(86_400).default(3_600),
});

export type Settings = z.infer<typeof settingsSchema>;
export type AlertSettingName = "lowBalanceNanoUsd" | "alertWebhookUrl" | "alertEmailFrom" | "alertEmailTo";

export async function readSettings({ pool }: { pool: Queryable }): Promise<Settings> {
  const { rows } = await pool.query<{ key: string; value: unknown }>("SELECT key, value FROM setting");
  const known = rows.filter(({ key }) => key in settingsSchema.shape);
  return settingsSchema.parse(Object.fromEntries(known.map(({ key, value }) => [key, value])));
}

/** Writes the given settings and leaves the others. */
export async function writeSettings(client: Queryable, settings: Partial<Settings>): Promise<void> {
  for (const [key, value] of Object.entries(settings)) {
    await client.query(
      `INSERT INTO setting (key, value) VALUES ($1, $2)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()`,
      [key, JSON.stringify(value)],
    );
  }
}
