/** What Prometheus reads at /metrics: calls, latency, tokens, money, the ledger's batches, and the process itself. */
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { networksOf, type Debts } from "@codex-gateway/domain";
import { addedMsOf, type CallRecord } from "@codex-gateway/gateway";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ClientAddress } from "../http/client-address.ts";
import type { Env } from "../boot/env.ts";

/** What is read at the moment of a scrape. */
export type Gauges = {
  callsInFlight: number;
  holdsOpen: number;
  ledgerQueued: number;
  ledgerContended: number;
  spooled: number;
  isLogWritable: boolean;
  /** What users owe, of all processes; null: not read yet. */
  debts: Debts | null;
  /** Null: not checked yet. */
  areBooksSound: boolean | null;
  upstreams: { id: string; host: string; health: "healthy" | "failing" | "unused" }[];
};

/** By price class. */
type Units = Readonly<Record<string, number | undefined>>;

export type Metrics = {
  observe(record: CallRecord, priceName: string | null): void;
  captured(capture: { priceName: string; basis: string; usage: Units; costNanoUsd: bigint }): void;
  ledgerBatch(orders: number, tookMs: number): void;
  uncaught(origin: string): void;
  /** Settlements, or lines of logs, that could not be entered as they were. */
  setAside(outcome: string, count?: number): void;
  answer(req: IncomingMessage, res: ServerResponse): Promise<void>;
};

const prefix = "codex_gateway_";
const latencySeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120];
const msPerSecond = 1_000;
const nanoPerUsd = 1e9;

/** Null where neither a token nor an address may read them: nothing is counted then. */
export function createMetrics(
  env: Pick<Env, "METRICS_TOKEN" | "METRICS_ADDRESSES">,
  readGauges: () => Gauges,
  addressOf: ClientAddress["of"],
): Metrics | null {
  const mayRead = createReaders(env, addressOf);
  if (!mayRead) return null;
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const calls = new Counter({
    name: `${prefix}requests_total`,
    help: "Calls that are over, by endpoint, priced model and the status the client saw.",
    labelNames: ["endpoint", "model", "status"],
    registers,
  });
  const refusals = new Counter({
    name: `${prefix}refusals_total`,
    help: "Calls that the gateway itself refused or gave up, by the code of the error.",
    labelNames: ["code"],
    registers,
  });
  const added = new Histogram({
    name: `${prefix}added_latency_seconds`,
    help: "What the gateway itself took of the time a client waited.",
    labelNames: ["endpoint"],
    buckets: latencySeconds.slice(0, 11),
    registers,
  });
  const firstEvent = new Histogram({
    name: `${prefix}time_to_first_token_seconds`,
    help: "From a streamed call's arrival to the first event of its answer.",
    labelNames: ["endpoint"],
    buckets: latencySeconds,
    registers,
  });
  const duration = new Histogram({
    name: `${prefix}request_duration_seconds`,
    help: "From a call's arrival to the end of its answer.",
    labelNames: ["endpoint"],
    buckets: latencySeconds,
    registers,
  });
  const attempts = new Counter({
    name: `${prefix}upstream_attempts_total`,
    help: "Calls to an upstream, by how they went: a status, or the code of the fault.",
    labelNames: ["upstream", "outcome"],
    registers,
  });
  const tokens = new Counter({
    name: `${prefix}tokens_total`,
    help: "Units charged, by priced model and price class.",
    labelNames: ["model", "class"],
    registers,
  });
  const spend = new Counter({
    name: `${prefix}spend_usd_total`,
    help: "Charged to users, by priced model.",
    labelNames: ["model"],
    registers,
  });
  const charges = new Counter({
    name: `${prefix}charges_total`,
    help: "Charges, by what they rest on: exact, observed or estimate.",
    labelNames: ["basis"],
    registers,
  });
  const batchSize = new Histogram({
    name: `${prefix}ledger_batch_orders`,
    help: "Holds and settlements that were committed together.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  });
  const batchTime = new Histogram({
    name: `${prefix}ledger_batch_seconds`,
    help: "How long a commit of the ledger took.",
    buckets: latencySeconds.slice(0, 11),
    registers,
  });
  const deadLetters = new Counter({
    name: `${prefix}dead_letters_total`,
    help: "Settlements that could not be entered as they were, by what became of their holds.",
    labelNames: ["outcome"],
    registers,
  });
  const uncaught = new Counter({
    name: `${prefix}uncaught_errors_total`,
    help: "Errors that nothing but the last guard has caught: each is a fault of the gateway's own.",
    labelNames: ["origin"],
    registers,
  });
  registerGauges(registers, readGauges);

  return {
    observe: (record, priceName) => {
      const endpoint = record.endpoint ?? "unknown";
      calls.inc({ endpoint, model: priceName ?? "", status: record.status });
      if (record.errorCode !== null) refusals.inc({ code: record.errorCode });
      duration.observe({ endpoint }, (record.endedAtMs - record.receivedAtMs) / msPerSecond);
      const addedMs = addedMsOf(record);
      if (addedMs !== null) added.observe({ endpoint }, addedMs / msPerSecond);
      if (record.firstEventAtMs !== null) {
        firstEvent.observe({ endpoint }, (record.firstEventAtMs - record.receivedAtMs) / msPerSecond);
      }
      for (const { upstreamId, outcome, status } of record.attempts) {
        attempts.inc({ upstream: upstreamId, outcome: status ?? outcome });
      }
    },
    captured: ({ priceName, basis, usage, costNanoUsd }) => {
      charges.inc({ basis });
      spend.inc({ model: priceName }, Number(costNanoUsd) / nanoPerUsd);
      for (const [unit, count] of Object.entries(usage))
        if (count) tokens.inc({ model: priceName, class: unit }, count);
    },
    ledgerBatch: (orders, tookMs) => {
      batchSize.observe(orders);
      batchTime.observe(tookMs / msPerSecond);
    },
    setAside: (outcome, count = 1) => deadLetters.inc({ outcome }, count),
    uncaught: (origin) => uncaught.inc({ origin }),
    answer: async (req, res) => {
      if (!mayRead(req)) {
        res.writeHead(403, { "content-type": "text/plain; charset=utf-8" }).end("The metrics are not for you.\n");
        return;
      }
      const text = await registry.metrics();
      res.writeHead(200, { "content-type": registry.contentType }).end(text);
    },
  };
}

function registerGauges(registers: Registry[], read: () => Gauges): void {
  const numbers: [name: string, help: string, pick: (gauges: Gauges) => number][] = [
    ["requests_in_flight", "Calls that are not settled yet.", ({ callsInFlight }) => callsInFlight],
    ["holds_open", "Holds and reserves of this process that are not settled yet.", ({ holdsOpen }) => holdsOpen],
    ["ledger_queue", "Holds and settlements that wait for the next commit.", ({ ledgerQueued }) => ledgerQueued],
    [
      "ledger_contended",
      "Of the ledger's queue: what waits for wallets that somebody else has locked.",
      ({ ledgerContended }) => ledgerContended,
    ],
    [
      "log_writable",
      "0 where the log of settlements cannot be written, 1 otherwise.",
      ({ isLogWritable }) => (isLogWritable ? 1 : 0),
    ],
    ["spooled_settlements", "Settlements on disk that the database could not take.", ({ spooled }) => spooled],
  ];
  for (const [name, help, pick] of numbers) {
    new Gauge({
      name: prefix + name,
      help,
      registers,
      collect() {
        this.set(pick(read()));
      },
    });
  }
  const debts: [name: string, help: string, pick: (debts: Debts) => number][] = [
    [
      "debt_usd",
      "What users owe beyond their balances, as of some seconds ago.",
      ({ totalNanoUsd }) => Number(totalNanoUsd) / nanoPerUsd,
    ],
    ["debtors", "How many users owe something.", ({ users }) => users],
  ];
  for (const [name, help, pick] of debts) {
    new Gauge({
      name: prefix + name,
      help,
      registers,
      collect() {
        const known = read().debts;
        if (known === null) this.remove();
        else this.set(pick(known));
      },
    });
  }
  new Gauge({
    name: `${prefix}books_sound`,
    help: "1 where the newest check of the books found no breach, 0 where it did; none before the first check.",
    registers,
    collect() {
      const { areBooksSound } = read();
      if (areBooksSound === null) this.remove();
      else this.set(areBooksSound ? 1 : 0);
    },
  });
  new Gauge({
    name: `${prefix}upstream_up`,
    help: "0 where the calls to an upstream fail, 1 otherwise.",
    labelNames: ["upstream", "host"],
    registers,
    collect() {
      this.reset();
      for (const { id, host, health } of read().upstreams)
        this.set({ upstream: id, host }, health === "failing" ? 0 : 1);
    },
  });
}

/** Tells who may read: whoever sends the token, and whoever asks from a listed address. */
function createReaders(
  { METRICS_TOKEN, METRICS_ADDRESSES }: Pick<Env, "METRICS_TOKEN" | "METRICS_ADDRESSES">,
  addressOf: ClientAddress["of"],
) {
  if (!METRICS_TOKEN && METRICS_ADDRESSES.length === 0) return null;
  const expected = METRICS_TOKEN ? Buffer.from(`Bearer ${METRICS_TOKEN}`) : null;
  const listed = networksOf("METRICS_ADDRESSES", METRICS_ADDRESSES);
  return (req: IncomingMessage): boolean => {
    const given = Buffer.from(req.headers.authorization ?? "");
    if (expected && given.length === expected.length && timingSafeEqual(given, expected)) return true;
    return listed.has(addressOf(req));
  };
}
