/** Log-in: unknown, wrong, suspended and slowed down are told in the same words, after the same time. */
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, recordEvent } from "../audit/audit.ts";
import { networkOf } from "../security/client-network.ts";
import type { Secrets } from "../security/secrets.ts";
import type { Credentials } from "./credentials.ts";
import { countGuess } from "./guesses.ts";
import { findLoginCandidate } from "./known-clients.ts";
import { issueChallenge, passwordMark, readChallenge } from "./login-challenge.ts";
import { openSession, sessionName, type OpenedSession, type Visitor } from "./sessions.ts";
import { secondFactorAccount, type Throttles } from "./throttles.ts";
import { hasTwoFactors, takeSecondFactor, wrongCode } from "./two-factors.ts";

type Parts = { throttles: Throttles; secrets: Secrets };
/** `challenge`: the password is right, and `completeLogIn` takes the second factor with it. */
export type LogIn = { session: OpenedSession; challenge: null } | { session: null; challenge: string };

/**
 * Opens a session for the user whose credentials these are, in place of one that the browser had; where the account has two
 * factors, only with the second one. @throws AppError `unauthorized`, `too_many_attempts`, `busy`, `invalid_input` at `code`
 */
export async function logIn(
  db: Database,
  { throttles, secrets }: Parts,
  { code, ...credentials }: Credentials & { code?: string | undefined },
  visitor: Visitor,
): Promise<LogIn> {
  const { email } = credentials;
  const { userId, passwordHash } = await checkCredentials(db, throttles, credentials, visitor);
  const { address } = visitor;
  if (await hasTwoFactors(db.pool, userId)) {
    const challenge = await issueChallenge(secrets, { userId, passwordHash });
    if (code === undefined || code === "") return { session: null, challenge };
    return { session: await completeLogIn(db, { throttles, secrets }, { challenge, code }, visitor), challenge: null };
  }
  const session = await recordAct(db, { userId, email, address }, async (client) => {
    const opened = await openSession(client, { userId, visitor });
    const after = { session: sessionName(opened.id) };
    return { act: { action: "login", targetKind: "user", targetId: userId, before: null, after }, result: opened };
  });
  return { session, challenge: null };
}

/** Wrong codes are counted as wrong passwords are, beside them. @throws AppError `unauthorized` where the password is to be given anew, `invalid_input` at `code`, `too_many_attempts` */
export async function completeLogIn(
  db: Database,
  { throttles, secrets }: Parts,
  { challenge, code }: { challenge: string; code: string },
  visitor: Visitor,
): Promise<OpenedSession> {
  const { userId, email } = await readChallenged(db, secrets, challenge);
  const { address, browserToken } = visitor;
  const client = networkOf(address);
  const candidate = await findLoginCandidate(db, { email, network: client.network, browserToken });
  const { knownBrowser: known, isKnownNetwork } = candidate;
  const guess = await countGuess(throttles, { account: secondFactorAccount(email), client, known, isKnownNetwork });
  const actor = { userId, email, address };
  const session = guess.isIgnored
    ? null
    : await recordAct(db, actor, async (transaction) => {
        const factor = await takeSecondFactor(transaction, secrets, { userId, code });
        if (factor === null) return { act: null, result: null };
        const opened = await openSession(transaction, { userId, visitor });
        const after = { session: sessionName(opened.id), factor };
        return { act: { action: "login", targetKind: "user", targetId: userId, before: null, after }, result: opened };
      });
  if (session) {
    await guess.forgive();
    return session;
  }
  const details = { attempt: "second_factor", ...(guess.isIgnored ? { isSlowedDown: true } : {}) };
  await recordEvent(
    db,
    { ...actor, userId: null },
    { action: "login_failed", targetKind: "user", targetId: userId, details },
  );
  throw wrongCode();
}

/** @throws AppError `unauthorized` where it is too old, or the password is another one by now */
async function readChallenged(
  db: Database,
  secrets: Secrets,
  challenge: string,
): Promise<{ userId: string; email: string }> {
  const found = await readChallenge(secrets, challenge);
  const user = found && (await db.prisma.user.findUnique({ where: { id: found.userId } }));
  if (!user?.passwordHash || user.status !== "active" || passwordMark(user.passwordHash) !== found?.mark) {
    throw new AppError("unauthorized", "This took too long. Log in again.");
  }
  return { userId: user.id, email: user.email };
}

async function checkCredentials(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  { address, browserToken }: Visitor,
): Promise<{ userId: string; passwordHash: string }> {
  const client = networkOf(address);
  const { network } = client;
  // A stranger who keeps guessing takes up their own share, not the owner's.
  return throttles.passwords.admit({ account: `${email}|${network}`, network }, async (hasher) => {
    const { user, knownBrowser, isKnownNetwork } = await findLoginCandidate(db, { email, network, browserToken });
    const guess = await countGuess(throttles, { account: email, client, known: knownBrowser, isKnownNetwork });
    const storedHash = guess.isIgnored ? null : (user?.passwordHash ?? null);
    const isKnown = knownBrowser !== null || isKnownNetwork;
    const isRight = await hasher.isPasswordOf(storedHash, password, { isKnown }).catch(async (error: unknown) => {
      await guess.forgive();
      throw error;
    });
    if (user?.passwordHash && isRight && user.status === "active") {
      await guess.forgive();
      return { userId: user.id, passwordHash: user.passwordHash };
    }
    await recordEvent(
      db,
      { userId: null, email, address },
      {
        action: "login_failed",
        targetKind: "user",
        targetId: null,
        ...(guess.isIgnored ? { details: { isSlowedDown: true } } : {}),
      },
    );
    throw new AppError("unauthorized", "The e-mail address or the password is wrong.", "password");
  });
}
