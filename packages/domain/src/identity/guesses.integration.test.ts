/** Guesses at passwords, by strangers with one address or very many, and what they may not do to the account's owner. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AppError } from "../app-error.ts";
import { aSomebody, aVisitor, testPassword, type Somebody } from "../testing/people.ts";
import { changeEmail, changePassword } from "./account.ts";
import { logIn } from "./login.ts";
import type { PasswordGate } from "./password-gate.ts";
import { resetPassword } from "./recovery.ts";
import { register } from "./registration.ts";
import type { Visitor } from "./sessions.ts";
import { createThrottles, forgetExpiredAttempts, type Throttles } from "./throttles.ts";

let db: TestDatabase;
let throttles: Throttles;
beforeEach(async () => {
  db = await createTestDatabase();
  throttles = createThrottles(db);
});
afterEach(() => db.drop());

/** What became of a log-in, as whoever asks sees it. */
async function outcome(email: string, password: string, visitor: Visitor): Promise<string> {
  return logIn(db, throttles, { email, password }, visitor).then(
    () => "in",
    (error: unknown) => (error as { code: string }).code,
  );
}
const wrong = (email: string, visitor: Visitor) => outcome(email, `guess ${randomUUID()}`, visitor);

async function guess(times: number, email: string, visitor: () => Visitor): Promise<string[]> {
  const outcomes: string[] = [];
  for (let n = 0; n < times; n++) outcomes.push(await wrong(email, visitor()));
  return outcomes;
}

const pointsOf = async (key: string) => (await db.prisma.throttle.findUnique({ where: { key } }))?.points ?? 0;
const addressIn = (net64: number) => `2001:db8:7:${net64.toString(16)}::1`;

test("ten wrong guesses by a stranger shut the stranger out, and not the owner", async () => {
  const owner = await aSomebody(db, throttles);
  const stranger = aVisitor();
  expect(await guess(12, owner.email, () => stranger)).toEqual([
    ...Array<string>(10).fill("unauthorized"),
    ...Array<string>(2).fill("too_many_attempts"),
  ]);
  expect(await outcome(owner.email, testPassword, owner.visitor)).toBe("in");
});

test("the owner's browser gets in from anywhere, even from the stranger's own address", async () => {
  const owner = await aSomebody(db, throttles);
  const stranger = aVisitor();
  await guess(12, owner.email, () => stranger);
  const { browserToken } = owner.session;
  expect(await outcome(owner.email, testPassword, { ...stranger, browserToken })).toBe("in");
  expect(await outcome(owner.email, testPassword, aVisitor({ browserToken }))).toBe("in");
  expect(await outcome(owner.email, testPassword, { ...stranger, browserToken: "x".repeat(32) })).toBe(
    "too_many_attempts",
  );
});

test("a browser that is known to one account is a stranger to another, and has ten guesses at its own", async () => {
  const [mine, theirs] = [await aSomebody(db, throttles), await aSomebody(db, throttles)];
  const visitor = () => aVisitor({ browserToken: mine.session.browserToken });
  await guess(40, theirs.email, visitor);
  expect(await outcome(theirs.email, testPassword, visitor())).toBe("unauthorized");
  expect((await guess(11, mine.email, visitor)).at(-1)).toBe("too_many_attempts");
});

test("what a /48 of IPv6 tries at one account is slowed down, told as wrong, and shuts nobody out who is known", async () => {
  const owner = await aSomebody(db, throttles);
  let net = 0;
  const elsewhere = () => aVisitor({ address: addressIn(net++) });
  expect(new Set(await guess(30, owner.email, elsewhere))).toEqual(new Set(["unauthorized"]));
  // Even the right password is not looked at, and nothing tells that.
  expect(await outcome(owner.email, testPassword, elsewhere())).toBe("unauthorized");
  const lines = await db.prisma.auditLog.findMany({ where: { action: "login_failed" }, orderBy: { id: "asc" } });
  expect(lines.map(({ details }) => "isSlowedDown" in (details as object)).filter(Boolean).length).toBeGreaterThan(15);
  expect(await outcome(owner.email, testPassword, owner.visitor)).toBe("in");
  // Once the pause is over one of the strangers is looked at again, of however many come at once.
  await db.prisma.throttle.updateMany({ where: { key: `login-slow:${owner.email}` }, data: { expire: 1n } });
  const right = await Promise.all(Array.from({ length: 4 }, () => outcome(owner.email, testPassword, elsewhere())));
  expect(right.filter((each) => each === "in")).toHaveLength(1);
});

test("the pause grows with every ten guesses, to a minute", async () => {
  const owner = await aSomebody(db, throttles);
  const pauseAfter = async (points: number) => {
    await throttles.perAccount.set(owner.email, points, 900);
    await throttles.perAccountSlow.delete(owner.email);
    await wrong(owner.email, aVisitor());
    const row = await db.prisma.throttle.findUniqueOrThrow({ where: { key: `login-slow:${owner.email}` } });
    return Math.round((Number(row.expire) - Date.now()) / 5_000) * 5;
  };
  expect([await pauseAfter(10), await pauseAfter(30), await pauseAfter(5_000)]).toEqual([5, 15, 60]);
});

/** Counts what a log-in spends on hashes: that is its time, but for some milliseconds. */
function countingHashes(counted: { hashes: number }): Throttles {
  const { passwords } = throttles;
  const admit: PasswordGate["admit"] = (who, work) =>
    passwords.admit(who, (hasher) =>
      work({
        hash: (...given) => (counted.hashes++, hasher.hash(...given)),
        isPasswordOf: (...given) => (counted.hashes++, hasher.isPasswordOf(...given)),
      }),
    );
  return { ...throttles, passwords: { admit } };
}

test("an unknown address, a wrong password, a suspended user and a slowed account are told alike, after as much work", async () => {
  const [known, suspended, slowed] = await Promise.all([1, 2, 3].map(() => aSomebody(db, throttles)));
  await db.prisma.user.update({ where: { id: suspended!.userId }, data: { status: "suspended" } });
  await throttles.perAccount.set(slowed!.email, 100, 900);
  await throttles.perAccountSlow.set(slowed!.email, 100, 900);
  const told: string[] = [];
  for (const [email, password] of [
    [`${randomUUID()}@example.com`, testPassword],
    [known!.email, "not the password"],
    [suspended!.email, testPassword],
    [slowed!.email, testPassword],
  ] as const) {
    const counted = { hashes: 0 };
    const { code, message, fields } = await logIn(db, countingHashes(counted), { email, password }, aVisitor()).then(
      () => new AppError("conflict", "in"),
      (error: unknown) => error as AppError,
    );
    told.push(JSON.stringify({ code, message, fields, ...counted }));
  }
  const [first, ...others] = told;
  expect(first).toContain('"unauthorized"');
  expect(first).toContain('"hashes":1');
  expect(new Set(others)).toEqual(new Set([first]));
});

test("one address that tries many accounts is stopped; addresses of one /64, and IPv4 within IPv6, are one", async () => {
  for (const [addresses, key] of [
    [["203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107"], "login-address:203.0.113.7"],
    [["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1"], "login-address:2001:db8:0:0::/64"],
  ] as const) {
    for (const address of addresses) await wrong(`${randomUUID()}@example.com`, aVisitor({ address }));
    expect(await pointsOf(key)).toBe(3);
    await throttles.perAddress.set(key.replace("login-address:", ""), 100, 900);
    const address = addresses[0];
    expect(await wrong(`${randomUUID()}@example.com`, aVisitor({ address }))).toBe("too_many_attempts");
    const newcomer = { email: `${randomUUID()}@example.com`, password: testPassword };
    await expect(register(db, throttles, newcomer, aVisitor({ address }))).rejects.toMatchObject({
      code: "too_many_attempts",
      retryAfterSeconds: expect.any(Number),
    });
  }
  await throttles.perSite.set("2001:db8:7::/48", 1_000, 900);
  expect(await wrong(`${randomUUID()}@example.com`, aVisitor({ address: addressIn(9) }))).toBe("too_many_attempts");
});

test("who gets in is not counted: not against the address, nor the account, nor what was wrong before", async () => {
  const owner = await aSomebody(db, throttles);
  const visitor = aVisitor();
  for (let n = 0; n < 3; n++) {
    await guess(2, owner.email, () => visitor);
    expect(await outcome(owner.email, testPassword, visitor)).toBe("in");
  }
  expect(await pointsOf(`login-address:${visitor.address}`)).toBe(6);
  for (let n = 0; n < 20; n++) await outcome(owner.email, testPassword, visitor);
  expect(await pointsOf(`login-address:${visitor.address}`)).toBe(6);
});

test("guesses at once are counted one by one", async () => {
  const owner = await aSomebody(db, throttles);
  const processes = Array.from({ length: 10 }, () => createThrottles(db));
  const visitor = aVisitor();
  const outcomes = await Promise.all(
    processes.flatMap((process) =>
      [1, 2].map(() =>
        logIn(db, process, { email: owner.email, password: `guess ${randomUUID()}` }, visitor).catch(
          (error: unknown) => (error as { code: string }).code,
        ),
      ),
    ),
  );
  expect(outcomes.filter((each) => each === "unauthorized")).toHaveLength(10);
  expect(outcomes.filter((each) => each === "too_many_attempts")).toHaveLength(10);
});

const ofAccount = ({ userId, email, visitor, session }: Somebody) => ({
  actor: { userId, email, address: visitor.address },
  sessionId: session.id,
  visitor,
});

test("whoever sits at a session has ten wrong current passwords, and the owner logs in all the same", async () => {
  const owner = await aSomebody(db, throttles);
  const codes: string[] = [];
  for (let n = 0; n < 12; n++) {
    const input = { ...ofAccount(owner), currentPassword: `guess ${n}` };
    const attempt =
      n % 2 === 0
        ? changePassword(db, throttles, { ...input, password: "another password" })
        : changeEmail(db, throttles, { ...input, email: `${randomUUID()}@example.com` });
    codes.push(
      await attempt.then(
        () => "done",
        (error: unknown) => (error as { code: string }).code,
      ),
    );
  }
  expect(codes).toEqual([...Array<string>(10).fill("invalid_input"), "too_many_attempts", "too_many_attempts"]);
  expect(await db.prisma.auditLog.count({ where: { action: "wrong_password" } })).toBe(10);
  expect(await outcome(owner.email, testPassword, owner.visitor)).toBe("in");
});

test("a new password ends every session and what was known of browsers; the browser at hand gets a new one", async () => {
  const owner = await aSomebody(db, throttles);
  await logIn(db, throttles, { email: owner.email, password: testPassword }, aVisitor());
  const input = { ...ofAccount(owner), currentPassword: testPassword, password: "another password" };
  const renewed = await changePassword(db, throttles, input);
  const sessions = await db.prisma.session.findMany({ where: { userId: owner.userId } });
  expect(sessions.map(({ id }) => id)).toEqual([renewed!.id]);
  expect(renewed!.id).not.toBe(owner.session.id);
  expect(renewed!.browserToken).not.toBe(owner.session.browserToken);
  const changes = await db.prisma.auditLog.findMany({ where: { action: "change_password" } });
  expect(changes).toMatchObject([{ details: { before: { sessions: 2 }, after: { sessions: 1 } } }]);
  expect(
    await changeEmail(db, throttles, {
      ...ofAccount({ ...owner, session: renewed! }),
      visitor: null,
      currentPassword: "another password",
      email: `${randomUUID()}@example.com`,
    }),
  ).toBeNull();
  expect(await db.prisma.session.count({ where: { userId: owner.userId } })).toBe(0);
});

test("of two changes with the same old password at once, one counts", async () => {
  const owner = await aSomebody(db, throttles);
  const outcomes = await Promise.allSettled(
    ["first new password", "second new password"].map((password) =>
      changePassword(db, throttles, { ...ofAccount(owner), currentPassword: testPassword, password }),
    ),
  );
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect(await db.prisma.session.count({ where: { userId: owner.userId } })).toBe(1);
});

test("a reset on the command line lets the owner try again at once, from anywhere", async () => {
  const owner = await aSomebody(db, throttles);
  const stranger = aVisitor();
  await guess(11, owner.email, () => stranger);
  await guess(20, owner.email, aVisitor);
  await resetPassword(db, { email: owner.email, password: "another password" });
  expect(await outcome(owner.email, "another password", stranger)).toBe("in");
});

test("counters whose time is over are taken away, and a user's known browsers and networks are bounded", async () => {
  const owner = await aSomebody(db, throttles);
  await wrong(owner.email, aVisitor());
  await db.prisma.throttle.updateMany({ data: { expire: 1n } });
  await wrong(owner.email, aVisitor());
  const before = await db.prisma.throttle.count();
  await forgetExpiredAttempts(db);
  expect(await db.prisma.throttle.count()).toBeLessThan(before);
  for (let n = 0; n < 15; n++) await outcome(owner.email, testPassword, aVisitor());
  expect(await db.prisma.knownClient.count({ where: { userId: owner.userId } })).toBe(20);
});
