/**
 * npm run bench -- --against REVISION: this build and another one, in turn, by the same client, the same upstream, and a
 * database of the same kind each. Each is set up by its own demo, so a revision need not know of this benchmark.
 */
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { startDemo } from "@codex-gateway/demo";
import { jsonBody, largeBody, streamBody } from "./bodies.ts";
import { createChildren } from "./children.ts";
import { load, medianFigures, printFigures, type Figures, type Subject } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { buildRevision } from "./revision.ts";
import { ratiosOf, round, spreadOf, type Spread } from "./statistics.ts";

type Running = { subject: Subject; stop: () => Promise<void> };
type Case = {
  name: string;
  title: string;
  body: string;
  connections: number;
  /** What is compared; without it, throughput. */
  isAddedLatency?: boolean;
};

const cases: readonly Case[] = [
  { name: "json", title: "1 KB of JSON, 64 connections, req/s", body: jsonBody, connections: 64 },
  {
    name: "added-p50",
    title: "1 KB of JSON, 8 connections, added p50",
    body: jsonBody,
    connections: 8,
    isAddedLatency: true,
  },
  { name: "bodies", title: "100 KB of JSON, 16 connections, req/s", body: largeBody, connections: 16 },
  { name: "streams", title: "Streams of 100 chunks, 64 connections, req/s", body: streamBody, connections: 64 },
];

/** The client's clock tells hundredths of a millisecond apart. */
const leastAddedMs = 0.01;

async function start(name: string, start: typeof startDemo, upstreamUrl: string): Promise<Running> {
  const demo = await start({ port: "0", apiPort: "0", folder: tmpdir(), balanceUsd: "100000", upstreamUrl });
  const url = `${demo.api.replace("localhost", "127.0.0.1")}/chat/completions`;
  const headers = { authorization: `Bearer ${demo.apiKey}` };
  process.once("exit", () => demo.gateway.child.kill());
  return { subject: { name, url, pid: demo.gateway.child.pid ?? 0, headers }, stop: () => demo.stop() };
}

type Row = Record<"own" | "other" | "bare", Figures>;

type Result = {
  /** Above 1 where this build is the better one. */
  ratio: Spread;
  /** Of the process's CPU a request, which says more than throughput where the machine has other work; null: not known. */
  cpuRatio: Spread | null;
  own: Figures;
  other: Figures;
};

/** Every subject once a round; who of the two is first changes, so that neither always follows the other. */
async function runCase(
  { body, connections, isAddedLatency = false }: Case,
  { own, other, bare }: Record<keyof Row, Subject>,
  { rounds, seconds }: BenchOptions,
): Promise<Row[]> {
  const rows: Row[] = [];
  const measure = (subject: Subject) => load(subject, { body, connections, seconds });
  const nothing = { rps: 0, p50Ms: 0, p99Ms: 0, cpuUs: null, databaseCpuUs: null, errors: 0 };
  for (let n = 0; n < rounds; n++) {
    const row: Partial<Row> = { bare: isAddedLatency ? await measure(bare) : nothing };
    for (const who of n % 2 === 0 ? (["own", "other"] as const) : (["other", "own"] as const)) {
      row[who] = await measure(who === "own" ? own : other);
    }
    rows.push(row as Row);
  }
  return rows;
}

function compareRows({ isAddedLatency = false }: Case, rows: readonly Row[]): Spread {
  if (!isAddedLatency) {
    return spreadOf(
      ratiosOf(
        rows.map(({ own }) => own.rps),
        rows.map(({ other }) => other.rps),
      ),
    );
  }
  const added = (who: "own" | "other") => rows.map((row) => row[who].p50Ms - row.bare.p50Ms);
  return spreadOf(ratiosOf(added("own"), added("other"), { isLessBetter: true, least: leastAddedMs }));
}

function compareCpu(rows: readonly Row[]): Spread | null {
  const [own, other] = [rows.map((row) => row.own.cpuUs ?? 0), rows.map((row) => row.other.cpuUs ?? 0)];
  return [...own, ...other].includes(0) ? null : roundSpread(spreadOf(ratiosOf(own, other, { isLessBetter: true })));
}

const textOf = ({ median, lowerQuartile, upperQuartile, min, max }: Spread): string =>
  `${median} (quartiles ${lowerQuartile}–${upperQuartile}, min–max ${min}–${max})`;

const roundSpread = (spread: Spread): Spread =>
  Object.fromEntries(Object.entries(spread).map(([name, value]) => [name, round(value)])) as Spread;

/** @throws Error with one sentence where requests failed, or a ratio is below its bound */
export async function compareAgainst(revision: string, options: BenchOptions): Promise<void> {
  const unknown = [...options.atLeast.keys()].filter((name) => name !== "" && !cases.some((one) => one.name === name));
  if (unknown.length > 0)
    throw new Error(`There is no case "${unknown[0]}"; cases are ${cases.map(({ name }) => name).join(", ")}.`);
  const built = await buildRevision(revision, (line) => console.error(line));
  const children = createChildren();
  const running: Running[] = [];
  try {
    const upstream = await children.start("upstream");
    const origin = `http://127.0.0.1:${upstream.port}`;
    const passThrough = await children.start("bare", origin);
    const demoOfRevision = pathToFileURL(path.join(built.folder, "apps/demo/dist/index.js")).href;
    const { startDemo: startOther } = (await import(demoOfRevision)) as { startDemo: typeof startDemo };
    const own = await start("this build", startDemo, `${origin}/v1`);
    running.push(own);
    const other = await start(built.commit, startOther, `${origin}/v1`);
    running.push(other);
    const bareUrl = `http://127.0.0.1:${passThrough.port}/v1/chat/completions`;
    const bare: Subject = { name: "bare", url: bareUrl, pid: passThrough.pid, headers: own.subject.headers };
    const subjects = { own: own.subject, other: other.subject, bare };
    for (const subject of Object.values(subjects)) {
      for (const { body } of cases) await load(subject, { body, connections: 16, seconds: options.seconds }); // warm-up
    }
    const results: Record<string, Result> = {};
    for (const one of cases) {
      const rows = await runCase(one, subjects, options);
      const [own, other] = [medianFigures(rows.map((row) => row.own)), medianFigures(rows.map((row) => row.other))];
      const result = { ratio: roundSpread(compareRows(one, rows)), cpuRatio: compareCpu(rows), own, other };
      results[one.name] = result;
      printFigures(one.title, { "this build": own, [built.commit]: other });
      console.log(`${one.name}: ${textOf(result.ratio)}`);
      if (result.cpuRatio) console.log(`  CPU a request: ${textOf(result.cpuRatio)}`);
    }
    const { rounds, seconds } = options;
    if (options.isJson) console.log(JSON.stringify({ against: built.commit, rounds, seconds, cases: results }));
    refuseSlow(results, options.atLeast);
  } finally {
    for (const { stop } of running) await stop();
    children.stop();
    await built.remove();
  }
}

function refuseSlow(results: Readonly<Record<string, Result>>, atLeast: BenchOptions["atLeast"]): void {
  const failed = Object.entries(results).filter(([, { own, other }]) => own.errors + other.errors > 0);
  if (failed.length > 0) throw new Error(`Requests failed in ${failed.map(([name]) => name).join(", ")}.`);
  const slow = Object.entries(results).flatMap(([name, { ratio }]) => {
    const bound = atLeast.get(name) ?? atLeast.get("");
    return bound !== undefined && !(ratio.median >= bound) ? [`${name} is ${ratio.median}, not ${bound}`] : [];
  });
  if (slow.length > 0) throw new Error(`Slower than allowed: ${slow.join("; ")}.`);
}
