/** The queue of hashes under a load that one alone makes. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aSomebody, aVisitor, testPassword } from "../testing/people.ts";
import { changePassword } from "./account.ts";
import { logIn } from "./login.ts";
import { createPasswordGate, type PasswordGate } from "./password-gate.ts";
import { createThrottles, type Throttles } from "./throttles.ts";

let db: TestDatabase;
let throttles: Throttles;
beforeAll(async () => {
  db = await createTestDatabase();
  throttles = createThrottles(db);
});
afterAll(() => db.drop());

const codeOf = (error: unknown) => (error as { code: string }).code;

test("600 changes of password at once by one user leave another's log-in under two seconds", async () => {
  const [busy, other] = [await aSomebody(db, throttles), await aSomebody(db, throttles)];
  const startedAtMs = performance.now();
  let lastRefusalMs = 0;
  const outcomes = Array.from({ length: 600 }, () =>
    changePassword(db, throttles, {
      actor: { userId: busy.userId, email: busy.email, address: busy.visitor.address },
      sessionId: busy.session.id,
      visitor: busy.visitor,
      currentPassword: "not the password",
      password: "another password",
    }).then(
      () => "done",
      (error: unknown) => {
        if (codeOf(error) === "too_many_attempts") lastRefusalMs = performance.now() - startedAtMs;
        return codeOf(error);
      },
    ),
  );
  const [login] = await Promise.all([
    logIn(db, throttles, { email: other.email, password: testPassword }, other.visitor).then(
      () => performance.now() - startedAtMs,
    ),
    Promise.all(outcomes),
  ]);
  expect(login).toBeLessThan(2_000);
  expect((await Promise.all(outcomes)).filter((code) => code === "too_many_attempts").length).toBe(598);
  expect(lastRefusalMs).toBeLessThan(2_000);
});

/** As many strangers as there are, each with an address and an account of their own. */
const strangersAt = (gate: PasswordGate, count: number) =>
  Array.from({ length: count }, (_, n) =>
    gate
      .admit({ account: randomUUID(), network: `network ${n}` }, (hasher) =>
        hasher.isPasswordOf(null, "a guess", { isKnown: false }),
      )
      .then(() => "looked at", codeOf),
  );

test("strangers with any number of addresses fill their own line alone, and those over it are told at once", async () => {
  const gate = createPasswordGate({ maxWaitMs: 60_000 });
  const order: string[] = [];
  const strangers = strangersAt(gate, 200).map((each) => each.then((code) => (order.push(code), code)));
  const known = gate
    .admit({ account: "owner", network: "home" }, (hasher) => hasher.hash(testPassword, { isKnown: true }))
    .then(() => order.push("known"));
  await known;
  // Two were under way before; the known one waits for none of the others.
  expect(order.filter((code) => code === "looked at").length).toBeLessThan(5);
  expect(order.filter((code) => code === "busy")).toHaveLength(200 - 2 - 32);
  expect((await Promise.all(strangers)).filter((code) => code === "looked at")).toHaveLength(34);
});

test("who has waited too long is told so, and keeps no place", async () => {
  const gate = createPasswordGate({ maxWaitMs: 1 });
  const codes = await Promise.all(strangersAt(gate, 20));
  expect(codes.filter((code) => code === "busy").length).toBeGreaterThan(5);
  expect(await Promise.all(strangersAt(gate, 2))).toEqual(["looked at", "looked at"]);
});

test("a hash is of the password that it was made of", async () => {
  const gate = createPasswordGate();
  await gate.admit({ account: "a", network: "b" }, async (hasher) => {
    const hash = await hasher.hash(testPassword, { isKnown: false });
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await hasher.isPasswordOf(hash, testPassword, { isKnown: false })).toBe(true);
    expect(await hasher.isPasswordOf(hash, `${testPassword}!`, { isKnown: false })).toBe(false);
    expect(await hasher.isPasswordOf(null, testPassword, { isKnown: false })).toBe(false);
  });
});

test("an attempt that fails gives its share back", async () => {
  const gate = createPasswordGate();
  const fail = () => gate.admit({ account: "a", network: "b" }, () => Promise.reject(new Error("a fault")));
  for (let n = 0; n < 10; n++) await expect(fail()).rejects.toThrow("a fault");
  await expect(logIn(db, throttles, { email: "nobody@example.com", password: "-" }, aVisitor())).rejects.toThrow();
});
