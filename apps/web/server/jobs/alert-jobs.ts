/** Looks for what whoever runs the gateway should know, and sends it. Every process does; the database lets one tell it. */
import type { Database } from "@codex-gateway/db";
import {
  forgetExpiredAttempts,
  forgetOldAlerts,
  noteDeadLetters,
  noteDebts,
  noteDelivery,
  noteLog,
  noteLowBalances,
  notePasswordGuesses,
  noteUpstreams,
  openAlertTargets,
  readDebts,
  takeDeliveries,
  type Debts,
  type LogSighting,
  type Secrets,
  type UnpricedModels,
  type UpstreamSighting,
} from "@codex-gateway/domain";
import type { Log, Upstream, UpstreamVitals } from "@codex-gateway/gateway";
import type { SendAlert } from "../notify/send-alert.ts";

export type AlertJobParts = {
  secrets: Secrets;
  send: SendAlert;
  sightings: () => UpstreamSighting[];
  unpricedModels: UnpricedModels;
  /** Writes what is to be told of service tiers without a price. */
  tellOfTiers: () => Promise<void>;
  logSighting: () => LogSighting;
  /** Writes what is to be told of processes. */
  tellOfProcesses: () => Promise<void>;
  /** Told what users owe, for the metrics. */
  onDebts: (debts: Debts) => void;
  log: Log;
};

const upstreamsMs = 5_000;
const ledgerMs = 5_000;
const balancesMs = 15_000;
const unpricedModelsMs = 5_000;
const deliveriesMs = 2_000;
const forgetMs = 3_600_000;
const forgetAttemptsMs = 60_000;

/** `stop` resolves when what is being sent has been sent. */
export function startAlertJobs(db: Database, parts: AlertJobParts): { stop(): Promise<void> } {
  const jobs = [
    repeat("alert_upstreams_failed", upstreamsMs, parts.log, () => noteUpstreams(db, parts.sightings())),
    repeat("alert_log_failed", ledgerMs, parts.log, createLogNotes(db, parts.logSighting)),
    repeat("alert_dead_letters_failed", ledgerMs, parts.log, () => noteDeadLetters(db)),
    repeat("alert_balances_failed", balancesMs, parts.log, () => noteLowBalances(db)),
    repeat("alert_debts_failed", balancesMs, parts.log, () => noteDebts(db)),
    repeat("read_debts_failed", balancesMs, parts.log, async () => parts.onDebts(await readDebts(db))),
    repeat("unpriced_models_failed", unpricedModelsMs, parts.log, () => parts.unpricedModels.flush()),
    repeat("alert_tiers_failed", unpricedModelsMs, parts.log, parts.tellOfTiers),
    repeat("alert_processes_failed", deliveriesMs, parts.log, parts.tellOfProcesses),
    repeat("alert_guesses_failed", balancesMs, parts.log, () => notePasswordGuesses(db)),
    repeat("forget_attempts_failed", forgetAttemptsMs, parts.log, () => forgetExpiredAttempts(db)),
    repeat("alert_deliveries_failed", deliveriesMs, parts.log, () => deliver(db, parts)),
    repeat("alert_forget_failed", forgetMs, parts.log, () => forgetOldAlerts(db)),
  ];
  return {
    stop: async () => {
      await Promise.all(jobs.map((job) => job.stop()));
    },
  };
}

/** The database is asked only while there is something to tell. */
function createLogNotes(db: Database, logSighting: () => LogSighting): () => Promise<void> {
  let isTold = false;
  return async () => {
    const sighting = logSighting();
    if (sighting.fault === null && !isTold) return;
    await noteLog(db, sighting);
    isTold = sighting.fault !== null;
  };
}

/** Runs `work` every `everyMs`, never twice at a time. */
function repeat(failure: string, everyMs: number, log: Log, work: () => Promise<void>): { stop(): Promise<void> } {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= work()
      .catch((error: unknown) => log("error", failure, { error: (error as Error).message }))
      .finally(() => {
        running = null;
      });
  }, everyMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

/** Sends what is due, all at once: each must be over before another process may take it. */
export async function deliver(
  db: Database,
  { secrets, send, log }: Pick<AlertJobParts, "secrets" | "send" | "log">,
  options: { retryMs?: number } = {},
): Promise<void> {
  const deliveries = await takeDeliveries(db, options);
  if (deliveries.length === 0) return;
  const targets = await openAlertTargets(db, secrets);
  await Promise.all(
    deliveries.map(async (delivery) => {
      const { channel, recipient, alert, attempts } = delivery;
      const email = targets.email && (recipient === null ? targets.email : { ...targets.email, to: recipient });
      const target = { webhook: null, email: null, [channel]: channel === "email" ? email : targets.webhook };
      const fault = await send(target, alert);
      const isGivenUp = await noteDelivery(db, delivery, fault);
      const fields = { alertId: alert.id, kind: alert.kind, channel, attempts };
      if (fault === null) log("info", "alert_sent", fields);
      else log(isGivenUp ? "error" : "warn", "alert_not_sent", { ...fields, fault, isGivenUp });
    }),
  );
}

/** What the alerts are told of an upstream: ages, since the clocks of machines differ. */
export function sightingOf({ id }: Upstream, { fault, answeredAtMs }: UpstreamVitals, nowMs: number): UpstreamSighting {
  return {
    upstreamId: id,
    fault: fault && { reason: fault.reason, status: fault.status, failedAgoMs: nowMs - fault.failedAtMs },
    answeredAgoMs: answeredAtMs === null ? null : nowMs - answeredAtMs,
  };
}
