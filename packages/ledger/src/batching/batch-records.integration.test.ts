import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RecordArray } from "./batch-records.ts";

let db: TestDatabase;
let typeOid: number;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.pool.query(
    "CREATE TYPE sample AS (id uuid, flag boolean, small int, large bigint, word text, words text[], doc jsonb)",
  );
  const { rows } = await db.pool.query<{ oid: number }>("SELECT 'sample'::regtype::oid AS oid");
  typeOid = rows[0]?.oid ?? 0;
});
afterAll(() => db.drop());

type Sample = {
  id: string | null;
  flag: boolean | null;
  small: number | null;
  large: bigint | number | null;
  word: string | null;
  words: string[] | null;
  doc: string | null;
};

const nothing: Sample = { id: null, flag: null, small: null, large: null, word: null, words: null, doc: null };
const id = "01890a5d-ac96-774b-bcce-b302099a8057";

function write(records: RecordArray, samples: Sample[]): Buffer {
  records.startArray(typeOid, samples.length);
  for (const sample of samples) {
    records.start();
    records.uuid(sample.id);
    records.boolean(sample.flag);
    records.int4(sample.small);
    records.int8(sample.large);
    records.text(sample.word);
    records.texts(sample.words);
    records.json(sample.doc);
    records.end();
  }
  return records.bytes();
}

/** What PostgreSQL reads, with whole numbers as text. */
async function readBack(samples: Sample[], records = new RecordArray(7)): Promise<unknown[]> {
  const { rows } = await db.pool.query<{ value: unknown }>(
    `SELECT jsonb_build_object('id', s.id, 'flag', s.flag, 'small', s.small, 'large', s.large::text, 'word', s.word,
       'words', s.words, 'doc', s.doc) AS value FROM unnest($1::sample[]) s`,
    [write(records, samples)],
  );
  return rows.map(({ value }) => value);
}

test("PostgreSQL reads each value as it was written", async () => {
  const full: Sample = {
    id,
    flag: true,
    small: -7,
    large: 9_223_372_036_854_775_807n,
    word: "gpt-4o",
    words: ["clamped", "no_usage"],
    doc: '{"input":12,"output":3}',
  };
  expect(await readBack([full, nothing])).toEqual([
    { ...full, large: "9223372036854775807", doc: { input: 12, output: 3 } },
    nothing,
  ]);
});

test("an array without records is an empty one", async () => {
  expect(await readBack([])).toEqual([]);
});

test.each([
  0,
  -1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  -(2 ** 32) - 1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  -9_223_372_036_854_775_808n,
])("the whole number %s arrives", async (large) => {
  expect(await readBack([{ ...nothing, large }])).toEqual([{ ...nothing, large: String(large) }]);
});

test.each(["", "é", "模型", "a😀b", 'say "hi", {x}, \\n, NULL', "x".repeat(100), "é".repeat(101), "x".repeat(100_000)])(
  "the text %# arrives, alone and in a list",
  async (word) => {
    const sample = { ...nothing, word, words: [word, ""] };
    expect(await readBack([sample])).toEqual([sample]);
  },
);

test.each([2n ** 63n, 2n ** 64n + 5n, -(2n ** 63n) - 1n, 2 ** 53, 1.5, Number.NaN])(
  "%s does not become another number",
  (large) => {
    expect(() => write(new RecordArray(7), [{ ...nothing, large }])).toThrow(RangeError);
  },
);

test.each([2 ** 31, -(2 ** 31) - 1, 1.5, Number.NaN])("%s does not become another small number", (small) => {
  expect(() => write(new RecordArray(7), [{ ...nothing, small }])).toThrow(RangeError);
});

test("NUL, which PostgreSQL's text does not have, is left out", async () => {
  const sample = { ...nothing, word: "a\0b", words: [`${"x".repeat(200)}\0`] };
  expect(await readBack([sample])).toEqual([{ ...nothing, word: "ab", words: ["x".repeat(200)] }]);
});

test("an empty list is no missing one, and an empty id is a missing one", async () => {
  expect(await readBack([{ ...nothing, words: [], id: "" }])).toEqual([{ ...nothing, words: [] }]);
});

test.each(["01890a5d", "01890a5d-ac96-774b-bcce-b302099a805g", "01890a5d-ac96-774b-bcce-b302099a80é7", "-".repeat(36)])(
  "%s is no id",
  (wrong) => {
    expect(() => write(new RecordArray(7), [{ ...nothing, id: wrong }])).toThrow(RangeError);
  },
);

test("a second array has nothing of the one before it, whatever their sizes", async () => {
  const records = new RecordArray(7);
  const many = Array.from({ length: 300 }, (_, n) => ({ ...nothing, id, small: n, word: "w".repeat(n) }));
  expect(await readBack(many, records)).toEqual(many);
  expect(await readBack([nothing], records)).toEqual([nothing]);
  const long = { ...nothing, word: "w".repeat(2_000_000) };
  expect(await readBack([long], records)).toEqual([long]);
  expect(await readBack([nothing], records)).toEqual([nothing]);
});
