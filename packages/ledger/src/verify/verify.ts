/**
 * Proves the books: every figure says how many rows were looked at and how many break the invariant. It walks the tables
 * that only grow in chunks, each a statement and a snapshot of its own, so that it can run beside a busy ledger: a long
 * snapshot would keep every old version of the wallets' rows.
 *
 * What the whole must come to follows from the parts: each account is the sum of its chain (I1, I6), and each entry
 * belongs to one charge, top-up or adjustment whose entries sum to its amount (I7).
 */
import type { Queryable } from "@codex-gateway/db";
import type { OpenPrice, StoredPrice } from "../stored-price.ts";
import type { UsageUnits } from "../usage-units.ts";
import { auditSql, accountsSql, chargesSql, creditsSql, entriesSql, orphansSql, trueUpsSql } from "./verify-sql.ts";
import {
  allowancesSql,
  batchesSql,
  codesSql,
  hoursSql,
  idempotencySql,
  limitsSql,
  rollupsSql,
} from "./verify-rollups-sql.ts";
import { invariants, type Invariant } from "./invariants.ts";
import { checkHeads, type KeptHeads } from "./verify-heads.ts";

/** `notes`: what is known of the breaches, in sentences. */
export type Finding = { invariant: string; says: string; checked: number; breaches: number; notes?: string[] };

export type VerifyOptions = {
  chunkRows?: number;
  /** Called between chunks with the time that the last one took; it may wait. */
  rest?: (tookMs: number) => Promise<void>;
  /** What was kept of the books outside the database. */
  readHeads?: () => KeptHeads;
};

type CostOf = ReturnType<OpenPrice>;
type Tally = (invariant: Invariant, checked: number, breaches: number) => void;
/** Takes the rows behind the cursor; answers where it stopped, null at the end. */
type Walk<Cursor> = (cursor: Cursor, chunkRows: number) => Promise<Cursor | null>;

/** Checks all of the books. A figure of breaches above zero is one too many. */
export async function verifyLedger(
  { pool: client }: { pool: Queryable },
  openPrice: OpenPrice,
  { chunkRows = 2_000, rest, readHeads }: VerifyOptions = {},
): Promise<Finding[]> {
  const figures = new Map<Invariant, { checked: number; breaches: number }>();
  const tally: Tally = (invariant, checked, breaches) => {
    const figure = figures.get(invariant) ?? { checked: 0, breaches: 0 };
    figures.set(invariant, { checked: figure.checked + checked, breaches: figure.breaches + breaches });
  };
  const walk = async <Cursor>(start: Cursor, step: Walk<Cursor>) => {
    for (let cursor: Cursor | null = start; cursor !== null;) {
      const startedAtMs = performance.now();
      cursor = await step(cursor, chunkRows);
      await rest?.(performance.now() - startedAtMs);
    }
  };
  await walk({}, () => checkAccounts(client, tally));
  const unbound: Unbound = { until: null };
  await walk({ accountId: zeroId, seq: 0n }, entriesWalk(client, tally, unbound));
  const windows = await readWindows(client, chunkRows);
  await walk(0, rollupsWalk(client, tally, { windows, boundSince: unbound.until }));
  const prices = await readPriceVersions(client, openPrice);
  await walk(zeroId, chargesWalk(client, tally, prices));
  await walk(zeroId, trueUpsWalk(client, tally, prices));
  await walk(0n, auditWalk(client, tally));
  const heads = await checkHeads(client, readHeads?.() ?? { heads: [], faults: [] }, rest);
  tally("HEAD", heads.checked, heads.breaches);
  return Object.entries(invariants).map(([invariant, says]) => ({
    invariant,
    says,
    ...(figures.get(invariant as Invariant) ?? { checked: 0, breaches: 0 }),
    ...(invariant === "HEAD" && heads.notes.length > 0 ? { notes: heads.notes } : {}),
  }));
}

const zeroId = "00000000-0000-0000-0000-000000000000";

async function one<Row extends object>(client: Queryable, sql: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query<Row>(sql, values);
  if (!rows[0]) throw new Error("A count without a row.");
  return rows[0];
}

async function checkAccounts(client: Queryable, tally: Tally): Promise<null> {
  type Row = Record<"checked" | "balance" | "held" | "negative" | "head" | "lost", bigint>;
  const accounts = await one<Row>(client, accountsSql);
  tally("I1", Number(accounts.checked), Number(accounts.balance));
  tally("I2", Number(accounts.checked), Number(accounts.held));
  tally("I3", Number(accounts.checked), Number(accounts.negative));
  tally("I6", 0, Number(accounts.head));
  tally("REF", Number(accounts.checked), Number(accounts.lost));
  for (const [invariant, sql] of [
    ["I7", creditsSql],
    ["I8", orphansSql],
    ["I12", allowancesSql],
    ["I13", batchesSql],
    ["I13", codesSql],
    ["I14", limitsSql],
    ["REF", idempotencySql],
  ] as const) {
    const { checked, breaches } = await one<Record<"checked" | "breaches", bigint>>(client, sql);
    tally(invariant, Number(checked), Number(breaches));
  }
  return null;
}

/** When the newest entry was written that is not bound to all that its row says; null: all are. */
type Unbound = { until: Date | null };

function entriesWalk(client: Queryable, tally: Tally, unbound: Unbound): Walk<{ accountId: string; seq: bigint }> {
  type Row = Record<"checked" | "balances" | "links" | "unfounded" | "lost", bigint> & {
    last_account: string | null;
    last_seq: bigint | null;
    unbound_until: Date | null;
  };
  return async ({ accountId, seq }, chunkRows) => {
    const row = await one<Row>(client, entriesSql, [accountId, String(seq), chunkRows]);
    const checked = Number(row.checked);
    tally("I1", 0, Number(row.balances));
    tally("I6", checked, Number(row.links));
    tally("I7", checked, Number(row.unfounded));
    tally("REF", checked, Number(row.lost));
    if (row.unbound_until && !(unbound.until && unbound.until > row.unbound_until)) unbound.until = row.unbound_until;
    if (checked < chunkRows || row.last_account === null || row.last_seq === null) return null;
    return { accountId: row.last_account, seq: row.last_seq };
  };
}

type Window = { from: string; to: string };

/** Windows of hours that follow each other without a gap, each of about `chunkRows` requests or one hour. */
async function readWindows(client: Queryable, chunkRows: number): Promise<Window[]> {
  const { rows } = await client.query<{ hour: string; requests: bigint }>(hoursSql);
  const starts: string[] = [];
  let requests = 0;
  for (const row of rows) {
    if (starts.length === 0 || requests + Number(row.requests) > chunkRows) {
      starts.push(row.hour);
      requests = 0;
    }
    requests += Number(row.requests);
  }
  const bounds = ["-infinity", ...starts, "infinity"];
  return bounds.slice(1).map((to, at) => ({ from: bounds[at] ?? "-infinity", to }));
}

function rollupsWalk(
  client: Queryable,
  tally: Tally,
  { windows, boundSince }: { windows: Window[]; boundSince: Date | null },
): Walk<number> {
  return async (at) => {
    const window = windows[at];
    if (!window) return null;
    const row = await one<Record<"checked" | "breaches", bigint>>(client, rollupsSql, [
      window.from,
      window.to,
      boundSince,
    ]);
    tally("I11", Number(row.checked), Number(row.breaches));
    return at + 1;
  };
}

type PricedRow = {
  usage: UsageUnits;
  service_tier: string | null;
  cost_nano_usd: bigint;
  price_version_id: string;
};

type ChargeRow = PricedRow & {
  id: string;
  is_hold: boolean;
  is_charge: boolean;
  is_captured: boolean;
  is_lost: boolean;
  entered_nano_usd: bigint;
};

function chargesWalk(client: Queryable, tally: Tally, books: ReadonlyMap<string, CostOf>): Walk<string> {
  return async (after, chunkRows) => {
    const { rows } = await client.query<ChargeRow>(chargesSql, [after, chunkRows]);
    const charges = rows.filter((row) => row.is_charge);
    const holds = rows.filter((row) => row.is_hold).length;
    tally("I4", charges.length, charges.length - new Set(charges.map(({ id }) => id)).size);
    tally("I5", rows.length, rows.filter((row) => row.is_captured !== row.is_charge).length);
    tally("I7", charges.length, charges.filter((row) => row.entered_nano_usd !== -row.cost_nano_usd).length);
    tally("I9", charges.length, charges.filter((row) => !isCostRight(books, row)).length);
    tally("REF", rows.length, rows.filter((row) => row.is_lost).length);
    return holds < chunkRows ? null : (rows.at(-1)?.id ?? null);
  };
}

type TrueUpRow = PricedRow & { id: string; is_lost: boolean; is_wrong: boolean };

function trueUpsWalk(client: Queryable, tally: Tally, books: ReadonlyMap<string, CostOf>): Walk<string> {
  return async (after, chunkRows) => {
    const { rows } = await client.query<TrueUpRow>(trueUpsSql, [after, chunkRows]);
    tally("I7", rows.length, rows.filter((row) => row.is_wrong).length);
    tally("I9", rows.length, rows.filter((row) => !isCostRight(books, row)).length);
    tally("REF", rows.length, rows.filter((row) => row.is_lost).length);
    return rows.length < chunkRows ? null : (rows.at(-1)?.id ?? null);
  };
}

async function readPriceVersions(client: Queryable, openPrice: OpenPrice): Promise<Map<string, CostOf>> {
  const { rows } = await client.query<{ id: string } & StoredPrice>("SELECT id, prices, markup_ppm FROM price_version");
  return new Map(rows.map((row) => [row.id, openPrice(row)]));
}

function isCostRight(books: ReadonlyMap<string, CostOf>, row: PricedRow): boolean {
  const costOf = books.get(row.price_version_id);
  try {
    return costOf !== undefined && costOf(row.usage, row.service_tier) === row.cost_nano_usd;
  } catch {
    return false; // Units that are no numbers.
  }
}

function auditWalk(client: Queryable, tally: Tally): Walk<bigint> {
  return async (after, chunkRows) => {
    type Row = Record<"checked" | "breaches", bigint> & { last_id: bigint | null };
    const row = await one<Row>(client, auditSql, [String(after), chunkRows]);
    tally("AUD", Number(row.checked), Number(row.breaches));
    return Number(row.checked) < chunkRows ? null : row.last_id;
  };
}
