/** What an operator watches: the metrics, the traces, the logs. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { parsePrometheusText, type Sample } from "./prometheus-text.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

type Attribute = { key: string; value: { stringValue?: string; intValue?: number } };
type Span = {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
};
type Export = { resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Span[] }[] }[] };

const metricsToken = "metrics-token-of-the-test";
const prompt = "a prompt that nobody may find again";
const callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const callersSpan = "00f067aa0ba902b7";

let folder: string;
let postgres: EmbeddedPostgres;
let upstream: SteadyUpstream;
let collector: Server;
let gateway: GatewayProcess;
let key: string;
const exports: Export[] = [];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-watch-"));
  postgres = await startEmbeddedPostgres(path.join(folder, "database"), { serverOptions: ["-c", "fsync=off"] });
  upstream = await startSteadyUpstream();
  collector = createServer((req, res) => {
    let body = "";
    req.on("data", (text: Buffer) => (body += text.toString()));
    req.on("end", () => {
      if (req.url === "/v1/traces") exports.push(JSON.parse(body) as Export);
      res.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
  gateway = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: path.join(folder, "gateway"),
      DATABASE_URL: postgres.url,
      LOG_LEVEL: "debug",
      METRICS_TOKEN: metricsToken,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    }),
  );
  key = await aFundedKey(gateway, upstream.url);
});
afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
  upstream.stop();
  collector.closeAllConnections();
  collector.close();
  rmSync(folder, { recursive: true, force: true });
});

const call = (isStream: boolean, secret = key, headers = {}) =>
  fetch(`${gateway.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, ...headers },
    body: JSON.stringify({
      model: "gpt-4o-mini",
      max_tokens: 50,
      stream: isStream,
      messages: [{ role: "user", content: prompt }],
    }),
  });

const scrape = (token: string) =>
  fetch(new URL("/metrics", gateway.api), { headers: { authorization: `Bearer ${token}` } });

const valueOf = (samples: Sample[], name: string, labels: Record<string, string> = {}) =>
  samples.find((each) => each.name === name && Object.entries(labels).every(([at, text]) => each.labels[at] === text))
    ?.value;

test("metrics: for whom they are, in the format's grammar, and counting what was called", async () => {
  expect((await scrape("another-token-of-this-length")).status).toBe(403);
  await (await call(false)).text();
  await (await call(true)).text();
  expect((await call(false, "sk-cg-unknown")).status).toBe(401);
  const response = await scrape(metricsToken);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = parsePrometheusText(await response.text());
  const chat = { endpoint: "chat.completions" };
  const read = (name: string, labels = {}) => valueOf(samples, `codex_gateway_${name}`, labels);
  expect({
    answered: read("requests_total", { ...chat, model: "gpt-4o-mini", status: "200" }),
    refused: read("requests_total", { ...chat, model: "", status: "401" }),
    code: read("refusals_total", { code: "invalid_api_key" }),
    added: read("added_latency_seconds_count", chat),
    firstToken: read("time_to_first_token_seconds_count", chat),
    input: read("tokens_total", { model: "gpt-4o-mini", class: "input" }),
    output: read("tokens_total", { model: "gpt-4o-mini", class: "output" }),
    spend: read("spend_usd_total", { model: "gpt-4o-mini" }),
    exact: read("charges_total", { basis: "exact" }),
    open: read("holds_open"),
    inFlight: read("requests_in_flight"),
    spooled: read("spooled_settlements"),
    queue: read("ledger_queue"),
    orders: read("ledger_batch_orders_sum"),
    up: read("upstream_up", { host: new URL(upstream.url).host }),
    asked: read("upstream_attempts_total", { outcome: "200" }),
  }).toEqual({
    answered: 2,
    refused: 1,
    code: 1,
    added: 2,
    firstToken: 1,
    input: 24,
    output: 10,
    spend: 0.0000096,
    exact: 2,
    open: 0,
    inFlight: 0,
    spooled: 0,
    queue: 0,
    orders: 4,
    up: 1,
    asked: 2,
  });
  // Nobody has checked the books yet: neither 0 nor 1 would be true.
  expect(read("books_sound")).toBeUndefined();
  expect(valueOf(samples, "nodejs_eventloop_lag_p99_seconds")).toBeGreaterThan(0);
});

test("a trace of one request reaches the collector, below the span of its caller", async () => {
  const response = await call(true, key, { traceparent: `00-${callersTrace}-${callersSpan}-01` });
  const requestId = response.headers.get("x-request-id");
  await response.text();
  const textOf = (span: Span, name: string) => span.attributes.find((each) => each.key === name)?.value.stringValue;
  const spansOf = () =>
    exports
      .flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      )
      .filter(({ traceId }) => traceId === callersTrace);
  await expect.poll(() => spansOf().length, { timeout: 10_000 }).toBe(4);
  const spans = spansOf();
  const top = spans.find((span) => textOf(span, "codex_gateway.request_id") === requestId)!;
  expect(top).toMatchObject({ name: "/v1 chat.completions", parentSpanId: callersSpan });
  expect(textOf(top, "gen_ai.request.model")).toBe("gpt-4o-mini");
  const below = spans.filter(({ parentSpanId }) => parentSpanId === top.spanId);
  expect(below.map(({ name }) => name).toSorted()).toEqual(["authenticate and hold", "settle", "upstream"]);
  for (const span of below) {
    expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(top.startTimeUnixNano) - 1_000_000n);
    expect(BigInt(span.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(top.endTimeUnixNano) + 1_000_000n);
  }
  expect(exports[0]!.resourceSpans[0]!.resource.attributes).toContainEqual({
    key: "service.name",
    value: { stringValue: "codex-gateway" },
  });
});

test("the log has a line per call with its request id, and never a prompt or a secret", async () => {
  const requestId = (await call(false)).headers.get("x-request-id");
  const lines = () =>
    gateway
      .output()
      .split("\n")
      .filter((line) => line.startsWith("{"));
  await expect.poll(() => lines().some((line) => line.includes(requestId!))).toBe(true);
  const entries = lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.find((entry) => entry.requestId === requestId)).toMatchObject({
    level: "debug",
    event: "call",
    endpoint: "chat.completions",
    model: "gpt-4o-mini",
    status: 200,
  });
  for (const secret of [prompt, key, "sk-upstream-key", metricsToken, "password-of-owner"]) {
    expect(gateway.output()).not.toContain(secret);
  }
});
