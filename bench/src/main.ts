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

const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const seconds = Number(process.env.BENCH_SECONDS ?? 5);
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
  const result = await autocannon({
    url: subject.url,
    method: "POST",
    headers: { "content-type": "application/json", ...subject.headers },
    body,
    connections,
    duration: seconds,
  });
  const after = cpuOf(subject.pid);
  const requests = Math.max(result["2xx"], 1);
  const perRequestUs = (a?: number, b?: number) =>
    a === undefined || b === undefined ? null : Math.round(((a - b) * 1_000) / requests);
  return {
    rps: result["2xx"] / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    cpuUs: perRequestUs(after?.ownMs, before?.ownMs),
    databaseCpuUs: perRequestUs(after?.childrenMs, before?.childrenMs),
    errors: result.errors + result.non2xx,
  };
}

/** Median of each figure over the rounds. */
function median(all: Figures[]): Figures {
  const of = (pick: (figures: Figures) => number | null): number => {
    const values = all.flatMap((each) => pick(each) ?? []).sort((a, b) => a - b);
    return values[Math.floor(values.length / 2)] ?? 0;
  };
  return {
    rps: Math.round(of(({ rps }) => rps)),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    cpuUs: of(({ cpuUs }) => cpuUs),
    databaseCpuUs: of(({ databaseCpuUs }) => databaseCpuUs),
    errors: all.reduce((sum, { errors }) => sum + errors, 0),
  };
}

/** Every subject once per round, so that a machine that slows down slows all of them. */
async function compare(
  title: string,
  subjects: Subject[],
  body: string,
  connections: number,
): Promise<Record<string, Figures>> {
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
  return figures;
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
    const ratio = (of: Record<string, Figures>, to: string) =>
      of[to] ? round((of.gateway?.rps ?? 0) / of[to].rps) : null;
    const ratios = {
      to_bare_rps: ratio(json, "bare"),
      to_portkey_rps: ratio(json, "portkey"),
      stream_to_bare_rps: ratio(stream, "bare"),
      stream_to_portkey_rps: ratio(stream, "portkey"),
    };
    const addedP50Ms = (calm.gateway?.p50Ms ?? 0) - (calm.upstream?.p50Ms ?? 0);
    const addedP99Ms = (calm.gateway?.p99Ms ?? 0) - (calm.upstream?.p99Ms ?? 0);
    say(`\nRatios: ${JSON.stringify(ratios)}; added at 8 connections: p50 ${addedP50Ms} ms, p99 ${addedP99Ms} ms`);
    if (isJson) say(JSON.stringify({ ratios, added_p50_ms: addedP50Ms, added_p99_ms: addedP99Ms, json, stream, calm }));
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
