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
  type LogSighting,
  type UpstreamSighting,
} from "@codex-gateway/domain";
import type { Upstream, UpstreamVitals } from "@codex-gateway/gateway";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

/** An alert that a stop breaks off is sent again: it is told at least once. */
export const alertJobs = (services: JobServices): Job[] => {
  const { db, sightings, unpricedModels, logSighting, tellOfTiers, tellOfProcesses, onDebts } = services;
  return [
    { name: "alert_upstreams", everyMs: 5_000, run: () => noteUpstreams(db, sightings()) },
    { name: "alert_log", everyMs: 5_000, run: createLogNotes(db, logSighting) },
    { name: "alert_dead_letters", everyMs: 5_000, run: () => noteDeadLetters(db) },
    { name: "alert_balances", everyMs: 15_000, run: () => noteLowBalances(db) },
    { name: "alert_debts", everyMs: 15_000, run: () => noteDebts(db) },
    { name: "read_debts", everyMs: 15_000, run: async () => onDebts(await readDebts(db)) },
    { name: "unpriced_models", everyMs: 5_000, run: () => unpricedModels.flush() },
    { name: "alert_tiers", everyMs: 5_000, run: tellOfTiers },
    { name: "alert_processes", everyMs: 2_000, run: tellOfProcesses },
    { name: "alert_guesses", everyMs: 15_000, run: () => notePasswordGuesses(db) },
    { name: "forget_attempts", everyMs: 60_000, run: () => forgetExpiredAttempts(db) },
    { name: "alert_deliveries", everyMs: 2_000, run: () => deliver(db, services) },
    { name: "alert_forget", everyMs: 3_600_000, run: () => forgetOldAlerts(db) },
  ];
};

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

/** Sends what is due, all at once: each must be over before another process may take it. */
export async function deliver(
  db: Database,
  { secrets, sendAlert, log }: Pick<JobServices, "secrets" | "sendAlert" | "log">,
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
      const fault = await sendAlert(target, alert);
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
