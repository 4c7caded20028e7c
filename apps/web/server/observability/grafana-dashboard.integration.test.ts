import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

type Panel = { title: string; targets?: { expr: string }[] };
const dashboard = JSON.parse(
  readFileSync(new URL("../../../../docker/grafana-dashboard.json", import.meta.url), "utf8"),
) as { panels: Panel[]; templating: { list: { query: string | { query: string } }[] } };

const token = "metrics-token-of-the-test";
const gauges = () => ({
  callsInFlight: 0,
  holdsOpen: 0,
  ledgerQueued: 0,
  ledgerContended: 0,
  spooled: 0,
  isLogWritable: true,
  debts: null,
  upstreams: [],
  areBooksSound: true,
});
const metrics = createMetrics(
  { METRICS_TOKEN: token, METRICS_ADDRESSES: [] },
  gauges,
  ({ socket }) => socket.remoteAddress ?? "",
)!;
const server = createServer((req, res) => void metrics.answer(req, res));
/** Every name that a scrape can carry, those of a histogram's parts too. */
let served: Set<string>;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${token}` } });
  const types = [...(await response.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  served = new Set(
    types.flatMap(([, name = "", type]) =>
      type === "histogram" ? ["_bucket", "_sum", "_count"].map((part) => name + part) : [name],
    ),
  );
});
afterAll(() => void server.close());

const queries = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.flatMap(({ query }) => (typeof query === "object" ? [query.query] : [])),
];
const named = new Set(queries.flatMap((query) => query.match(/\b(codex_gateway|nodejs|process)_\w+/g) ?? []));

test("every metric that the dashboard names is one that the gateway serves", () => {
  expect(named.size).toBeGreaterThan(20);
  expect([...named].filter((name) => !served.has(name))).toEqual([]);
});

test("every metric of the gateway is on the dashboard", () => {
  const base = (name: string) => name.replace(/_(bucket|sum|count)$/, "");
  const shown = new Set([...named].map(base));
  const ours = [...served].filter((name) => name.startsWith("codex_gateway_")).map(base);
  expect(ours.length).toBeGreaterThan(10);
  expect(ours.filter((name) => !shown.has(name))).toEqual([]);
});

test("panels lie beside each other, and each has a query", () => {
  const all = dashboard.panels as (Panel & { type: string; gridPos: { x: number; y: number; w: number; h: number } })[];
  const taken = new Set<string>();
  for (const { gridPos } of all) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x} ${y}`)).toBe(false);
        taken.add(`${x} ${y}`);
      }
    }
  }
  const empty = all.filter(({ type, targets }) => type !== "row" && (targets ?? []).length === 0);
  expect(empty.map(({ title }) => title)).toEqual([]);
});
