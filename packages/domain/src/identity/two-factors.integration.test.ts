/** The second factor: what opens an account, how often, and what wrong guesses come to. */
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { base32 } from "oslo/encoding";
import { generateHOTP } from "oslo/otp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deriveSecrets } from "../security/secrets.ts";
import { reencrypt } from "../security/rotate.ts";
import { aSomebody, aVisitor, logInParts, testPassword, type Somebody } from "../testing/people.ts";
import { changePassword } from "./account.ts";
import { completeLogIn, logIn } from "./login.ts";
import type { Visitor } from "./sessions.ts";
import { createThrottles, type Throttles } from "./throttles.ts";
import {
  beginTwoFactors,
  confirmTwoFactors,
  disableTwoFactors,
  readTwoFactors,
  renewRecoveryCodes,
} from "./two-factors.ts";

let db: TestDatabase;
let throttles: Throttles;
const secretKey = "a secret of thirty-two characters";
const secrets = deriveSecrets(secretKey);
beforeAll(async () => {
  db = await createTestDatabase();
  throttles = createThrottles(db);
});
afterAll(() => db.drop());

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);
const outcome = (work: Promise<unknown>) => work.then(() => "done", codeOf);
const parts = () => logInParts(throttles);
const account = ({ userId, email, session, visitor }: Somebody) => ({
  actor: { userId, email, address: visitor.address },
  sessionId: session.id,
  visitor,
  currentPassword: testPassword,
});

const stepNow = () => Math.floor(Date.now() / 30_000);
const passwordOf = (secret: string, step: number) => generateHOTP(base32.decode(secret, { strict: false }), step);

async function secretOf({ userId, email }: Somebody): Promise<string> {
  return (await readTwoFactors(db, secrets, { userId, email })).pending!.secret;
}

/** Confirmed with the step before this one, so that this one and the next are free. */
async function withTwoFactors() {
  const somebody = await aSomebody(db, throttles);
  await beginTwoFactors(db, throttles, { ...account(somebody), secrets });
  const secret = await secretOf(somebody);
  const code = await passwordOf(secret, stepNow() - 1);
  const { recoveryCodes } = await confirmTwoFactors(db, { code, secrets, actor: account(somebody).actor });
  return { somebody, secret, recoveryCodes };
}

async function challengeFor({ email }: Somebody): Promise<string> {
  const { challenge, session } = await logIn(db, parts(), { email, password: testPassword }, aVisitor());
  expect(session).toBeNull();
  return challenge!;
}
const complete = (challenge: string, code: string, visitor: Visitor = aVisitor()) =>
  outcome(completeLogIn(db, parts(), { challenge, code }, visitor));

test("the password alone opens nothing; a one-time password does, once, and none before it", async () => {
  const { somebody, secret } = await withTwoFactors();
  const challenge = await challengeFor(somebody);
  const [now, next] = [await passwordOf(secret, stepNow()), await passwordOf(secret, stepNow() + 1)];
  expect(await Promise.all([complete(challenge, now), complete(challenge, now)])).toContain("done");
  expect(await complete(challenge, now)).toBe("invalid_input");
  // A clock that is half a minute ahead; then the one before counts no more.
  expect(await complete(challenge, ` ${next.slice(0, 3)} ${next.slice(3)} `)).toBe("done");
  expect(await complete(challenge, now)).toBe("invalid_input");
});

test("two at once with one one-time password: one session", async () => {
  const { somebody, secret } = await withTwoFactors();
  const challenge = await challengeFor(somebody);
  const code = await passwordOf(secret, stepNow());
  const outcomes = await Promise.all([1, 2, 3, 4].map(() => complete(challenge, code)));
  expect(outcomes.filter((each) => each === "done")).toHaveLength(1);
});

test("one that is further off than a step is wrong", async () => {
  const { somebody, secret } = await withTwoFactors();
  const challenge = await challengeFor(somebody);
  for (const step of [stepNow() - 3, stepNow() + 3]) {
    expect(await complete(challenge, await passwordOf(secret, step))).toBe("invalid_input");
  }
});

test("a recovery code opens the account once, however it is typed; new ones end the old", async () => {
  const { somebody, recoveryCodes } = await withTwoFactors();
  expect(new Set(recoveryCodes).size).toBe(10);
  const challenge = await challengeFor(somebody);
  const [first, second] = recoveryCodes as [string, string];
  expect(await complete(challenge, first.toLowerCase().replaceAll("-", " "))).toBe("done");
  expect(await complete(challenge, first)).toBe("invalid_input");
  const renewed = await renewRecoveryCodes(db, throttles, account(somebody));
  expect(await complete(challenge, second)).toBe("invalid_input");
  expect(await complete(challenge, renewed.recoveryCodes[0]!)).toBe("done");
  expect((await readTwoFactors(db, secrets, somebody)).recoveryCodesLeft).toBe(9);
});

test("wrong codes of strangers are looked at ten times, and shut nobody out who was there before", async () => {
  const { somebody, secret } = await withTwoFactors();
  const known = somebody.visitor;
  const challenge = await challengeFor(somebody);
  for (let n = 0; n < 12; n++) await complete(challenge, "000000");
  // A right one of a stranger's is not looked at now, and it is not used up by that.
  const code = await passwordOf(secret, stepNow());
  expect(await complete(challenge, code)).toBe("invalid_input");
  const there = { ...known, browserToken: somebody.session.browserToken };
  expect(await complete(challenge, code, there)).toBe("done");
  // One client that goes on is told to wait.
  const stubborn = aVisitor();
  const outcomes = [];
  for (let n = 0; n < 12; n++) outcomes.push(await complete(challenge, "000000", stubborn));
  expect(outcomes.at(-1)).toBe("too_many_attempts");
});

test.each(["", "nonsense", "a.b.c", "\u0000", "x".repeat(2_000)])("%j is no challenge", async (challenge) => {
  expect(await complete(challenge, "000000")).toBe("unauthorized");
});

test("a challenge ends with the password, and opens nothing by itself as an access token", async () => {
  const { somebody, recoveryCodes } = await withTwoFactors();
  const challenge = await challengeFor(somebody);
  await changePassword(db, throttles, { ...account(somebody), password: "another password" });
  expect(await complete(challenge, recoveryCodes[0]!)).toBe("unauthorized");
});

test("what is begun and not confirmed asks for nothing; a wrong code confirms nothing", async () => {
  const somebody = await aSomebody(db, throttles);
  await beginTwoFactors(db, throttles, { ...account(somebody), secrets });
  const { actor } = account(somebody);
  expect(await outcome(confirmTwoFactors(db, { code: "000000", secrets, actor }))).toBe("invalid_input");
  const { session } = await logIn(db, parts(), { email: somebody.email, password: testPassword }, aVisitor());
  expect(session).not.toBeNull();
  await db.pool.query("UPDATE totp SET created_at = now() - interval '1 hour' WHERE user_id = $1", [somebody.userId]);
  expect((await readTwoFactors(db, secrets, somebody)).pending).toBeNull();
});

test("it is turned off with the password, and the log-in asks for it no more", async () => {
  const { somebody } = await withTwoFactors();
  const wrong = { ...account(somebody), currentPassword: "not the password" };
  expect(await outcome(disableTwoFactors(db, throttles, wrong))).toBe("invalid_input");
  await disableTwoFactors(db, throttles, account(somebody));
  const { session } = await logIn(db, parts(), { email: somebody.email, password: testPassword }, aVisitor());
  expect(session).not.toBeNull();
});

test("the secret lies encrypted, and follows a new secret key", async () => {
  const { somebody, secret } = await withTwoFactors();
  const { secretCiphertext } = await db.prisma.totp.findUniqueOrThrow({ where: { userId: somebody.userId } });
  expect(Buffer.from(secretCiphertext).includes(secret)).toBe(false);
  const next = deriveSecrets("another secret of thirty-two characters", { previousSecretKey: secretKey });
  expect(await reencrypt(db, next)).toBeGreaterThan(0);
  const challenge = await logIn(
    db,
    { throttles, secrets: next },
    { email: somebody.email, password: testPassword },
    aVisitor(),
  );
  const code = await passwordOf(secret, stepNow());
  const given = { challenge: challenge.challenge!, code };
  expect(await outcome(completeLogIn(db, { throttles, secrets: next }, given, aVisitor()))).toBe("done");
});
