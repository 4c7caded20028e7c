/**
 * What whoever runs the gateway is told. An alert and its deliveries are written in the transaction that decides that it
 * is due, so that several processes that see the same tell it once. Facts hold no secret and no prompt.
 */
import { randomUUID } from "node:crypto";
import { type Database, inTransaction, lockInTransaction, type Queryable } from "@codex-gateway/db";
import type { BooksHead } from "@codex-gateway/ledger";
import { readSettings, type Settings } from "../settings/settings.ts";

export const alertChannels = ["webhook", "email"] as const;
export type AlertChannel = (typeof alertChannels)[number];

type LowBalance = { userId: string; email: string; balanceUsd: string };
type Debtor = { userId: string; email: string; debtUsd: string };
type LedgerBreach = { invariant: string; says: string; breaches: number; notes?: string[] };
/** An error that no code had caught: its class and code, and the place that threw it. */
export type ProcessFault = { name: string; code: string | null; place: string | null };
/** How a process of the gateway ended, as far as is known, and whether it was started again. */
export type ProcessDeath = { exitCode: number | null; signal: string | null; isRestarted: boolean };
export type DiskUse = { folder: string; freeMegabytes: number; usedMegabytes: Record<string, number> };
export type UpstreamName = { upstreamId: string; name: string; host: string };

/** By kind; each kind with its facts. */
type AlertFacts = {
  low_balance: { thresholdUsd: string; users: LowBalance[] };
  /** Owed beyond what their balances and holds covered. */
  debt: { users: Debtor[] };
  upstream_down: UpstreamName & { reason: "key_refused" | "quota_used_up" | "failing"; status: number | null };
  upstream_recovered: UpstreamName & { downSeconds: number };
  ledger_unsound: { breaches: LedgerBreach[] };
  ledger_sound: Record<string, never>;
  /** To the webhook alone, once a day. */
  books_head: BooksHead;
  unpriced_models: { models: { model: string; requests: number }[] };
  /** Served in tiers without a price, and charged at the plain one. */
  unknown_service_tiers: { tiers: { model: string; serviceTier: string; requests: number }[] };
  /** `open`: of these, whose holds still stand, for an admin to mend. */
  settlements_set_aside: { count: number; open: number; requestIds: string[] };
  log_unwritable: { instanceId: string; reason: string };
  log_writable: { instanceId: string };
  process_fault: ProcessFault & { faults: number };
  process_restarted: ProcessDeath;
  disk_low: DiskUse;
  /** Told to the account's owner, not to whoever runs the gateway. */
  password_guesses: { email: string; failures: number };
  test: Record<string, never>;
};
type AlertKind = keyof AlertFacts;
export type Alert = {
  [Kind in AlertKind]: { id: string; kind: Kind; facts: AlertFacts[Kind]; createdAt: Date };
}[AlertKind];

export type Raise = <Kind extends AlertKind>(kind: Kind, facts: AlertFacts[Kind]) => Promise<void>;

/** The channels that alerts go to; none where nothing is set. */
const channelsOf = ({ alertWebhookUrl, alertEmailTo }: Settings): AlertChannel[] =>
  alertChannels.filter((channel) => (channel === "webhook" ? alertWebhookUrl : alertEmailTo) !== "");

/**
 * Lets one process at a time decide what is due, in one transaction. Where there is no channel nothing is decided: what
 * stands then is news once there is one.
 */
export async function decideAlerts(
  db: Pick<Database, "pool">,
  decide: (client: Queryable, raise: Raise, settings: Settings) => Promise<void>,
): Promise<void> {
  const settings = await readSettings(db);
  const channels = channelsOf(settings);
  if (channels.length === 0) return;
  await inTransaction(db, async (client) => {
    await lockInTransaction(client, "alerts");
    await decide(client, (kind, facts) => insertAlert(client, channels.map(toSettings), kind, facts), settings);
  });
}

/**
 * Writes an alert of what has happened, once in `quietMs` for its kind, whichever process sees it; true where it did. Without
 * a channel the alert stands all the same: what has happened is not seen again.
 */
export async function raiseEvent<Kind extends AlertKind>(
  db: Pick<Database, "pool">,
  kind: Kind,
  facts: AlertFacts[Kind],
  { quietMs }: { quietMs: number },
): Promise<boolean> {
  const channels = channelsOf(await readSettings(db));
  return inTransaction(db, async (client) => {
    await lockInTransaction(client, "alerts");
    const { rowCount } = await client.query(
      "SELECT 1 FROM alert WHERE kind = $1 AND created_at > now() - $2::float8 * interval '1 ms' LIMIT 1",
      [kind, quietMs],
    );
    if (rowCount) return false;
    await insertAlert(client, channels.map(toSettings), kind, facts);
    return true;
  });
}

/** `recipient` null: whom the settings name. */
type NewDelivery = { channel: AlertChannel; recipient: string | null };

const toSettings = (channel: AlertChannel): NewDelivery => ({ channel, recipient: null });

/** Within a transaction that has the lock of alerts. */
export async function insertAlert<Kind extends AlertKind>(
  client: Queryable,
  deliveries: NewDelivery[],
  kind: Kind,
  facts: AlertFacts[Kind],
): Promise<void> {
  const id = randomUUID();
  await client.query("INSERT INTO alert (id, kind, facts) VALUES ($1, $2, $3)", [id, kind, JSON.stringify(facts)]);
  await client.query(
    "INSERT INTO alert_delivery (alert_id, channel, recipient) SELECT $1, unnest($2::text[]), unnest($3::text[])",
    [id, deliveries.map(({ channel }) => channel), deliveries.map(({ recipient }) => recipient)],
  );
}
