/** Log-in: unknown, wrong, suspended and slowed down are told in the same words, after the same time. */
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import { recordAct, recordEvent } from "../audit/audit.ts";
import { networkOf } from "../security/client-network.ts";
import type { Credentials } from "./credentials.ts";
import { countGuess } from "./guesses.ts";
import { findLoginCandidate } from "./known-clients.ts";
import { openSession, sessionName, type OpenedSession, type Visitor } from "./sessions.ts";
import type { Throttles } from "./throttles.ts";

/**
 * Opens a session for the user whose credentials these are, in place of one that the browser had.
 * @throws AppError `unauthorized`, `too_many_attempts`, `busy`
 */
export async function logIn(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  visitor: Visitor,
): Promise<OpenedSession> {
  const userId = await checkCredentials(db, throttles, { email, password }, visitor);
  const { address } = visitor;
  return recordAct(db, { userId, email, address }, async (client) => {
    const session = await openSession(client, { userId, visitor });
    const after = { session: sessionName(session.id) };
    return { act: { action: "login", targetKind: "user", targetId: userId, before: null, after }, result: session };
  });
}

async function checkCredentials(
  db: Database,
  throttles: Throttles,
  { email, password }: Credentials,
  { address, browserToken }: Visitor,
): Promise<string> {
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
    if (user && isRight && user.status === "active") {
      await guess.forgive();
      return user.id;
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
