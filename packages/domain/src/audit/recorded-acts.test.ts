/** Where acts are made, nothing is written beside `recordAct`: found in the sources, so that it holds for code to come. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const domain = fileURLToPath(new URL("..", import.meta.url));
const api = fileURLToPath(new URL("../../../api/src", import.meta.url));
const folders = ["identity", "security", "settings", "api-keys", "redeem-codes", "alerts", "prices", "upstreams"];

/** What the gateway does by itself, of which the audit log tells nothing. */
const itsOwn: Readonly<Record<string, string>> = {
  "identity/sessions.ts": "Lucia moves a session's expiry on and clears away what has expired",
  "identity/throttles.ts": "counters of attempts",
  "identity/setup.ts": "a start issues a new set-up token",
  "security/secret-key-id.ts": "a start notes which secret key it runs with",
  "api-keys/key-ring.ts": "when keys were last used, and hashes under a new pepper",
  "prices/unpriced-models.ts": "counts of requests for models without a price",
  "prices/price-store.ts": "the first start fills the price book",
  "alerts/alert.ts": "alerts",
  "alerts/deliveries.ts": "alerts on their way out",
  "alerts/ledger-verdict.ts": "alerts",
  "alerts/low-balances.ts": "alerts",
  "alerts/password-guesses.ts": "alerts",
  "alerts/upstream-outages.ts": "alerts",
};

/** Ways to write that are none of a transaction's client. */
const byItself = [
  /prisma\s*\.\s*\w+\s*\.\s*(?:create|update|delete|upsert)\w*/g,
  /\$(?:executeRaw|queryRaw|transaction)\w*/g,
  /pool\s*\.\s*query(?:<[^(]*>)?\(\s*["'`]\s*(?:INSERT|UPDATE|DELETE)/gi,
  /pool\s*\.\s*connect\(/g,
  /\.createSession\(/g,
  /\binTransaction\(/g,
  /\bappendAudit\(/g,
];

const sourcesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(({ name, parentPath }) =>
    name.endsWith(".ts") && !name.endsWith(".test.ts") && !parentPath.includes("testing")
      ? [path.join(parentPath, name)]
      : [],
  );

function writesBeside(files: string[], root: string): string[] {
  return files.flatMap((file) => {
    const name = path.relative(root, file);
    const source = readFileSync(file, "utf8");
    const found = byItself.flatMap((pattern) => source.match(pattern) ?? []);
    return name in itsOwn ? [] : found.map((text) => `${name}: ${text}`);
  });
}

test("acts of people and admins are written through recordAct alone", () => {
  const files = folders.flatMap((folder) => sourcesOf(path.join(domain, folder)));
  expect(files.length).toBeGreaterThan(40);
  expect(writesBeside(files, domain)).toEqual([]);
});

test("procedures write nothing themselves", () => {
  const files = sourcesOf(api);
  expect(files.length).toBeGreaterThan(15);
  expect(writesBeside(files, api)).toEqual([]);
});

test("each exception is still one", () => {
  const needless = Object.keys(itsOwn).filter((name) => {
    const source = readFileSync(path.join(domain, name), "utf8");
    return !/INSERT INTO|UPDATE |DELETE FROM|inTransaction\(|prisma\.\w+\.(?:update|delete|create)/.test(source);
  });
  expect(needless).toEqual([]);
});
