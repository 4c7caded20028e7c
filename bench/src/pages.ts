/**
 * npm run bench:pages: how long pages take in a house with 10,000 users and 1,000,000 charges. The gateway is the real
 * one in a process of its own; each page is asked for as its HTML and, by its `.data` address, as what its loaders
 * answer. BENCH_USERS and BENCH_CHARGES make the house smaller, BENCH_ROUNDS the series longer.
 */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDatabase } from "@codex-gateway/db";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { createSessions, openPrice } from "@codex-gateway/domain";
import { verifyLedger } from "@codex-gateway/ledger";
import { fillBigHouse, wantedHouseSize } from "./big-house.ts";

const size = wantedHouseSize();
const rounds = Number(process.env.BENCH_ROUNDS ?? 21);
const isJson = process.argv.includes("--json");
const maxMedianMs = 50;
const say = (line: string) => console.log(line);
const seconds = (sinceMs: number) => ((performance.now() - sinceMs) / 1_000).toFixed(1);

type Page = { address: string; cookie: string };
type Figures = { address: string; pageMs: number; loadersMs: number };

async function tookMs(url: string, cookie: string): Promise<number> {
  const startedAtMs = performance.now();
  const response = await fetch(url, { headers: { cookie }, redirect: "manual" });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}.`);
  return performance.now() - startedAtMs;
}

async function medianMs(url: string, cookie: string): Promise<number> {
  for (let n = 0; n < 3; n++) await tookMs(url, cookie); // warm-up
  const all: number[] = [];
  for (let n = 0; n < rounds; n++) all.push(await tookMs(url, cookie));
  return all.sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? 0;
}

/** The address of a page's data, all loaders from the root on. */
const dataOf = (address: string) => address.replace(/^([^?]*)/, "$1.data");

async function measure(web: string, pages: Page[]): Promise<Figures[]> {
  const figures: Figures[] = [];
  for (const { address, cookie } of pages) {
    const pageMs = await medianMs(web + address, cookie);
    const loadersMs = await medianMs(web + dataOf(address), cookie);
    figures.push({ address, pageMs, loadersMs });
    say(
      `${address.padEnd(46)} page ${pageMs.toFixed(1).padStart(7)} ms   loaders ${loadersMs.toFixed(1).padStart(7)} ms`,
    );
  }
  return figures;
}

async function pagesOf(demo: RunningDemo): Promise<Page[]> {
  const url = readFileSync(path.join(demo.dataFolder, "database-url"), "utf8").trim();
  const db = openDatabase(url, { maxConnections: 2 });
  try {
    const filledAtMs = performance.now();
    const { heaviestUserId } = await fillBigHouse(db, size);
    say(`Filled with ${size.users} users and ${size.charges} charges in ${seconds(filledAtMs)} s`);
    const verifiedAtMs = performance.now();
    const broken = (await verifyLedger(db, openPrice)).filter(({ breaches }) => breaches > 0);
    if (broken.length > 0) throw new Error(`The house is not sound: ${broken.map(({ says }) => says).join("; ")}.`);
    say(`Verified in ${seconds(verifiedAtMs)} s`);
    const sessions = createSessions(db, false);
    const { id } = await sessions.createSession(heaviestUserId, { userAgent: "bench", address: "" });
    const heaviest = sessions.createSessionCookie(id).serialize().split(";")[0] ?? "";
    const owner = demo.ownerSession.cookie();
    return [
      ...["/dashboard", "/api-keys", "/usage", "/usage?page=100", "/account"].map((address) => ({
        address,
        cookie: heaviest,
      })),
      ...[
        "/admin",
        "/admin/users",
        "/admin/users?page=400",
        "/admin/users?search=person00",
        "/admin/users?status=suspended",
        `/admin/users/${heaviestUserId}`,
        "/admin/codes",
        "/admin/prices",
        "/admin/upstreams",
        "/admin/settings",
        "/admin/logs",
      ].map((address) => ({ address, cookie: owner })),
    ];
  } finally {
    await db.close();
  }
}

async function main(): Promise<void> {
  const demo = await startDemo({ port: "0", apiPort: "0", folder: tmpdir() });
  try {
    const pages = await pagesOf(demo);
    const figures = await measure(demo.web, pages);
    if (isJson) say(JSON.stringify({ ...size, rounds, figures }));
    const slow = figures.filter(({ loadersMs }) => loadersMs > maxMedianMs);
    if (slow.length > 0) throw new Error(`Over ${maxMedianMs} ms: ${slow.map(({ address }) => address).join(", ")}.`);
    say(`All loaders answer within ${maxMedianMs} ms at the median.`);
  } finally {
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
