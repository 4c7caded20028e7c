/**
 * Compares, in one run and in turn, this gateway with all of its metering, a bare pass-through, and Portkey's gateway.
 * Absolute figures are the machine's; the ratios are what can be compared.
 */
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { startDemo } from "@codex-gateway/demo";
import { jsonBody, streamBody } from "./bodies.ts";
import { createChildren, type Children } from "./children.ts";
import { load, medianFigures, printFigures, type Figures, type Subject } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { median, ratiosOf, round } from "./statistics.ts";

async function startPortkey(children: Children, upstream: number): Promise<Subject | null> {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const server = createRequire(import.meta.url).resolve("@portkey-ai/gateway/build/start-server.js");
  const trusted = { TRUSTED_CUSTOM_HOSTS: "127.0.0.1,localhost" };
  const child = children.spawn([server, `--port=${port}`, "--headless"], trusted);
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

type Comparison = {
  figures: Record<string, Figures>;
  /** The gateway's req/s by the other's; null where there is none of that name. */
  ratioTo(name: string): number | null;
};

type Series = { title: string; subjects: readonly Subject[]; body: string; connections: number };

/** Every subject once per round, so that a machine that slows down slows all of them. */
async function compare(
  { title, subjects, body, connections }: Series,
  { rounds, seconds }: BenchOptions,
): Promise<Comparison> {
  const rows: Record<string, Figures[]> = {};
  for (let n = 0; n < rounds; n++) {
    for (const subject of subjects) {
      (rows[subject.name] ??= []).push(await load(subject, { body, connections, seconds }));
    }
  }
  const figures = Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, medianFigures(all)]));
  printFigures(title, figures);
  const rpsOf = (name: string) => (rows[name] ?? []).map(({ rps }) => rps);
  return {
    figures,
    ratioTo: (name) => (rows[name] ? round(median(ratiosOf(rpsOf("gateway"), rpsOf(name)))) : null),
  };
}

export async function comparePeers(options: BenchOptions): Promise<void> {
  const children = createChildren();
  const upstream = await children.start("upstream");
  const origin = `http://127.0.0.1:${upstream.port}`;
  const bare = await children.start("bare", origin);
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
    const portkey = await startPortkey(children, upstream.port);
    if (!portkey) console.log("Portkey's gateway did not start; its ratio is left out.");
    const subjects = [passThrough, gateway, ...(portkey ? [portkey] : [])];
    for (const subject of subjects) {
      await load(subject, { body: jsonBody, connections: 16, seconds: options.seconds }); // warm-up
    }
    const title = { json: "1 KB of JSON, 64 connections", stream: "Streams of 100 chunks, 64 connections" };
    const json = await compare({ title: title.json, subjects, body: jsonBody, connections: 64 }, options);
    const stream = await compare({ title: title.stream, subjects, body: streamBody, connections: 64 }, options);
    const calm = await compare(
      { title: "1 KB of JSON, 8 connections", subjects: [direct, ...subjects], body: jsonBody, connections: 8 },
      options,
    );
    report({ json, stream, calm }, options);
  } finally {
    children.stop();
    await demo.stop();
  }
}

function report(
  { json, stream, calm }: Record<"json" | "stream" | "calm", Comparison>,
  { isJson }: BenchOptions,
): void {
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
  console.log(
    `\nRatios: ${JSON.stringify(ratios)}; added at 8 connections: p50 ${addedP50Ms} ms, p99 ${addedP99Ms} ms`,
  );
  const figures = { json: json.figures, stream: stream.figures, calm: calm.figures };
  if (isJson) {
    console.log(JSON.stringify({ ratios, added_p50_ms: addedP50Ms, added_p99_ms: addedP99Ms, ...figures }));
  }
}
