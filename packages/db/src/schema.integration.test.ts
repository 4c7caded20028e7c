import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

const schema = readFileSync(new URL("../../../prisma/schema.prisma", import.meta.url), "utf8");
const enumNames = new Map(
  [...schema.matchAll(/^enum (\w+) \{[^}]*@@map\("(\w+)"\)/gm)].map((found) => [found[1]!, found[2]!]),
);
const sqlTypes: Record<string, string> = {
  String: "text",
  Int: "int4",
  BigInt: "int8",
  Boolean: "bool",
  Json: "jsonb",
  Bytes: "bytea",
};

/** `table.column type null?` of each scalar field of schema.prisma. */
function columnsOfSchema(): string[] {
  const models = [...schema.matchAll(/^model (\w+) \{([\s\S]*?)^\}/gm)];
  const modelNames = new Set(models.map((model) => model[1]));
  return models.flatMap(([, name, body = ""]) => {
    const table = /@@map\("(\w+)"\)/.exec(body)?.[1] ?? name;
    const fields = [...body.matchAll(/^ {2}(\w+) +(\w+)(\[\]|\?)?(.*)$/gm)];
    return fields
      .filter(([, , type]) => !modelNames.has(type))
      .map(([, field, type = "", mark, rest = ""]) => {
        const column = /@map\("(\w+)"\)/.exec(rest)?.[1] ?? field;
        const native = rest.includes("@db.Uuid") ? "uuid" : rest.includes("@db.Timestamptz") ? "timestamptz" : null;
        const sqlType = native ?? enumNames.get(type) ?? sqlTypes[type];
        return `${table}.${column} ${mark === "[]" ? `_${sqlType}` : sqlType}${mark === "?" ? " null" : ""}`;
      });
  });
}

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("schema.prisma and the migrated database have the same columns, types and nullability", async () => {
  const { rows } = await db.pool.query<{ column: string }>(
    `SELECT table_name || '.' || column_name || ' ' || udt_name || CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END AS column
     FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('_prisma_migrations', 'sql_object')`,
  );
  const inDatabase = rows.map(({ column }) => column).sort();
  expect(inDatabase.length).toBeGreaterThan(100);
  expect(columnsOfSchema().sort()).toEqual(inDatabase);
});
