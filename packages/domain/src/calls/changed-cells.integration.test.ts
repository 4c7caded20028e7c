/** Each cell of each row is changed, one by one: `verify` notices it, or a list says why nothing follows from it. */
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { takeHead, verifyLedger, type BooksHead } from "@codex-gateway/ledger";
import { breachesIn } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPrice } from "../prices/open-price.ts";
import { listedCells, wholeTables, whyNothing } from "../testing/cells-that-decide-nothing.ts";
import { changeEveryCell, readColumns } from "../testing/changed-cells.ts";
import { fillEveryTable } from "../testing/every-row.ts";

let db: TestDatabase;
/** What the entries of the first form are about. */
let unbound: Set<unknown>;
/** As it was kept outside the database when all was there. */
let head: BooksHead;
beforeAll(async () => {
  db = await createTestDatabase();
  await fillEveryTable(db);
  const { rows } = await db.pool.query<{ ref: string }>("SELECT ref FROM ledger_entry WHERE hash_version = 1");
  head = await takeHead(db, { settledMs: -1 });
  unbound = new Set(rows.map(({ ref }) => ref));
});
afterAll(() => db.drop());

const isNoticed = async (client: Parameters<typeof verifyLedger>[0]["pool"]) =>
  (await verifyLedger({ pool: client }, openPrice, { readHeads: () => ({ heads: [head], faults: [] }) })).some(
    ({ breaches }) => breaches > 0,
  );

test("books with every kind of row are sound", async () => {
  expect(unbound.size).toBeGreaterThan(1);
  expect(await breachesIn(db, openPrice)).toEqual([]);
});

test("every table whose cells count has rows, and the list names only cells that are there", async () => {
  const columns = await readColumns(db.pool);
  const tables = [...new Set(columns.map(({ table }) => table))];
  const empty: string[] = [];
  for (const table of tables.filter((name) => !wholeTables.includes(name))) {
    const { rowCount } = await db.pool.query(`SELECT 1 FROM "${table}" LIMIT 1`);
    if (rowCount === 0) empty.push(table);
  }
  expect(empty).toEqual([]);
  const cells = new Set([...tables.map((table) => `${table}.*`), ...columns.map((c) => `${c.table}.${c.column}`)]);
  expect(listedCells.filter((cell) => !cells.has(cell))).toEqual([]);
});

test("no cell that decides something can be changed without being noticed", { timeout: 600_000 }, async () => {
  const changes = await changeEveryCell(db, {
    isWanted: (table, column, row) => whyNothing(table, column, row, unbound) === null,
    isNoticed,
  });
  const unnoticed = changes.filter(({ outcome }) => outcome === "unnoticed");
  expect(
    unnoticed.map(({ table, column, to, row }) => `${table}.${column} = ${to} in ${JSON.stringify(row, shown)}`),
  ).toEqual([]);
  expect(changes.filter(({ outcome }) => outcome === "noticed").length).toBeGreaterThan(1_000);
});

const shown = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
