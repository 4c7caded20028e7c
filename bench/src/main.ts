/**
 * Compares, in one run and in turn, this gateway with all of its metering, a bare pass-through, and Portkey's gateway.
 * Absolute figures are the machine's; the ratios are what can be compared.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { startDemo } from "@codex-gateway/demo";
import autocannon from "autocannon";
import { cpuOf } from "./cpu.ts";

const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const seconds = Number(process.env.BENCH_SECONDS ?? 3);
const isJson = process.argv.includes("--json");
const say = (line: string) => console.log(line);

type Subject = { name: string; url: string; pid: number; headers: Record<string, string> };
type Figures = {
  rps: number;
  p50Ms: number;
  p99Ms: number;
  cpuUs: number | null;
  databaseCpuUs: number | null;
  errors: number;
};

const children: ChildProcess[] = [];

function startChild(args: string[], env: Record<string, string> = {}): Promise<{ port: number; pid: number }> {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (text: Buffer) => {
      const port = /PORT (\d+)/.exec(text.toString())?.[1];
      if (port) resolve({ port: Number(port), pid: child.pid ?? 0 });
    });
    child.once("exit", () => reject(new Error(`${args[0] ?? ""} ended.`)));
  });
}

const sibling = (name: string) => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

async function startPortkey(upstream: number): Promise<Subject | null> {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const server = createRequire(import.meta.url).resolve("@portkey-ai/gateway/build/start-server.js");
  const child = spawn(process.execPath, [server, `--port=${port}`, "--headless"], {
    stdio: "ignore",
    env: { ...process.env, TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" },
  });
  children.push(child);
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  const headers = {
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `http://127.0.0.1:${upstream}/v1`,
    authorization: "Bearer sk-bench",
  };
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (isUp) return { name: "portkey", url, pid: child.pid ?? 0, headers };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
}

const messages = [{ role: "user", content: "x".repeat(900) }];
const jsonBody = JSON.stringify({ model: "gpt-4o-mini", max_tokens: 200, messages });
const streamBody = JSON.stringify({ model: "gpt-4o-mini", max_tokens: 200, stream: true, messages });

async function load(subject: Subject, body: string, connections: number): Promise<Figures> {
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
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    cpuUs: perRequestUs(after?.ownMs, before?.ownMs),
    databaseCpuUs: perRequestUs(after?.childrenMs, before?.childrenMs),
    errors: result.errors + result.non2xx,
  };
}

/** Rounded to a hundredth of a millisecond. */
function percentile(tookMs: number[], share: number): number {
  const sorted = Float64Array.from(tookMs).sort();
  return Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100;
}

const middleOf = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Median of each figure over the rounds. */
function median(all: Figures[]): Figures {
  const of = (pick: (figures: Figures) => number | null) => middleOf(all.flatMap((each) => pick(each) ?? []));
  return {
    rps: Math.round(of(({ rps }) => rps)),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    cpuUs: of(({ cpuUs }) => cpuUs),
    databaseCpuUs: of(({ databaseCpuUs }) => databaseCpuUs),
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  };
}

type Comparison = {
  figures: Record<string, Figures>;
  /** The gateway's req/s by the other's; null where there is none of that name. */
  ratioTo(name: string): number | null;
};

/**
 * Every subject once per round, so that a machine that slows down slows all of them. A ratio is the median of those of
 * the rounds: a machine's speed changes from minute to minute by more than what is measured.
 */
async function compare(title: string, subjects: Subject[], body: string, connections: number): Promise<Comparison> {
  const rows: Record<string, Figures[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const subject of subjects) (rows[subject.name] ??= []).push(await load(subject, body, connections));
  }
  const figures = Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, median(all)]));
  say(`\n${title}`);
  say("               req/s   p50 ms   p99 ms   CPU us   DB CPU us   errors");
  for (const [name, each] of Object.entries(figures)) {
    const cells = [each.rps, each.p50Ms, each.p99Ms, each.cpuUs ?? "-", each.databaseCpuUs ?? "-", each.errors];
    const widths = [8, 9, 9, 9, 12, 9];
    say(`${name.padEnd(12)}${cells.map((cell, at) => String(cell).padStart(widths[at] ?? 9)).join("")}`);
  }
  const ratioTo = (name: string) => {
    const ratios = (rows[name] ?? []).map(({ rps }, n) => (rows.gateway?.[n]?.rps ?? 0) / rps);
    return ratios.length === 0 ? null : round(middleOf(ratios));
  };
  return { figures, ratioTo };
}

const round = (value: number) => Math.round(value * 1_000) / 1_000;

async function main(): Promise<void> {
  const upstream = await startChild([sibling("upstream")]);
  const origin = `http://127.0.0.1:${upstream.port}`;
  const bare = await startChild([sibling("bare"), origin]);
  const demo = await startDemo({
    port: "0",
    apiPort: "0",
    folder: tmpdir(),
    balanceUsd: "100000",
    upstreamUrl: `${origin}/v1`,
  });
  try {
    const headers = { authorization: `Bearer ${demo.apiKey}` };
    const gatewayUrl = `${demo.api.replace("localhost", "127.0.0.1")}/chat/completions`;
    const gateway: Subject = { name: "gateway", url: gatewayUrl, pid: demo.gateway.child.pid ?? 0, headers };
    const passThrough: Subject = {
      name: "bare",
      url: `http://127.0.0.1:${bare.port}/v1/chat/completions`,
      pid: bare.pid,
      headers,
    };
    const direct: Subject = { name: "upstream", url: `${origin}/v1/chat/completions`, pid: upstream.pid, headers };
    const portkey = await startPortkey(upstream.port);
    if (!portkey) say("Portkey's gateway did not start; its ratio is left out.");
    const subjects = [passThrough, gateway, ...(portkey ? [portkey] : [])];
    for (const subject of subjects) await load(subject, jsonBody, 16); // warm-up
    const json = await compare("1 KB of JSON, 64 connections", subjects, jsonBody, 64);
    const stream = await compare("Streams of 100 chunks, 64 connections", subjects, streamBody, 64);
    const calm = await compare("1 KB of JSON, 8 connections", [direct, ...subjects], jsonBody, 8);
    const ratios = {
      to_bare_rps: json.ratioTo("bare"),
      to_portkey_rps: json.ratioTo("portkey"),
      stream_to_bare_rps: stream.ratioTo("bare"),
      stream_to_portkey_rps: stream.ratioTo("portkey"),
    };
    const { gateway: ours, upstream: alone } = calm.figures;
    const added = (pick: (figures: Figures) => number) => (ours && alone ? round(pick(ours) - pick(alone)) : null);
    const addedP50Ms = added(({ p50Ms }) => p50Ms);
    const addedP99Ms = added(({ p99Ms }) => p99Ms);
    say(`\nRatios: ${JSON.stringify(ratios)}; added at 8 connections: p50 ${addedP50Ms} ms, p99 ${addedP99Ms} ms`);
    const figures = { json: json.figures, stream: stream.figures, calm: calm.figures };
    if (isJson) say(JSON.stringify({ ratios, added_p50_ms: addedP50Ms, added_p99_ms: addedP99Ms, ...figures }));
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await demo.stop();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(`The benchmark failed: ${(error as Error).message}`);
    process.exit(1);
  },
);
