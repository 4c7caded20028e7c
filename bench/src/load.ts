/** One series of requests at a fixed number of connections, and what it cost. */
import autocannon from "autocannon";
import { cpuOf } from "./cpu.ts";
import { median, quantile, round } from "./statistics.ts";

export type Subject = { name: string; url: string; pid: number; headers: Record<string, string> };
export type Load = { body: string; connections: number; seconds: number };
export type Figures = {
  rps: number;
  p50Ms: number;
  p99Ms: number;
  cpuUs: number | null;
  databaseCpuUs: number | null;
  errors: number;
};

export async function load(subject: Subject, { body, connections, seconds }: Load): Promise<Figures> {
  const before = cpuOf(subject.pid);
  // Its own histogram knows whole milliseconds only.
  const tookMs: number[] = [];
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const options = {
      url: subject.url,
      method: "POST" as const,
      headers: { "content-type": "application/json", ...subject.headers },
      body,
      connections,
      duration: seconds,
    };
    const run = autocannon(options, (error: Error | null, ended) => (error ? reject(error) : resolve(ended)));
    run.on("response", (_client, _status, _bytes, responseMs) => tookMs.push(responseMs));
  });
  const after = cpuOf(subject.pid);
  const requests = Math.max(result["2xx"], 1);
  const perRequestUs = (a?: number, b?: number) =>
    a === undefined || b === undefined ? null : Math.round(((a - b) * 1_000) / requests);
  return {
    rps: result["2xx"] / result.duration,
    p50Ms: round(quantile(tookMs, 0.5), 2),
    p99Ms: round(quantile(tookMs, 0.99), 2),
    cpuUs: perRequestUs(after?.ownMs, before?.ownMs),
    databaseCpuUs: perRequestUs(after?.childrenMs, before?.childrenMs),
    errors: result.errors + result.non2xx,
  };
}

/** Median of each figure over the rounds, and all of their errors. */
export function medianFigures(all: readonly Figures[]): Figures {
  const of = (pick: (figures: Figures) => number | null) => median(all.flatMap((each) => pick(each) ?? []));
  const ofCpu = (pick: (figures: Figures) => number | null) => {
    const value = of(pick);
    return Number.isNaN(value) ? null : Math.round(value);
  };
  return {
    rps: Math.round(of(({ rps }) => rps)),
    p50Ms: round(
      of(({ p50Ms }) => p50Ms),
      2,
    ),
    p99Ms: round(
      of(({ p99Ms }) => p99Ms),
      2,
    ),
    cpuUs: ofCpu(({ cpuUs }) => cpuUs),
    databaseCpuUs: ofCpu(({ databaseCpuUs }) => databaseCpuUs),
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** A table of subjects: throughput, latency, CPU a request of the process and of its database, and errors. */
export function printFigures(title: string, figures: Readonly<Record<string, Figures>>): void {
  console.log(`\n${title}`);
  console.log("               req/s   p50 ms   p99 ms   CPU us   DB CPU us   errors");
  for (const [name, each] of Object.entries(figures)) {
    const cells = [each.rps, each.p50Ms, each.p99Ms, each.cpuUs ?? "-", each.databaseCpuUs ?? "-", each.errors];
    const widths = [8, 9, 9, 9, 12, 9];
    console.log(`${name.padEnd(12)}${cells.map((cell, at) => String(cell).padStart(widths[at] ?? 9)).join("")}`);
  }
}
