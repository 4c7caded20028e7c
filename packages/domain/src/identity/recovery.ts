/** For whoever runs the gateway and is locked out of its pages: what the command line can do without a session. */
import { randomUUID } from "node:crypto";
import { type Database, lockInTransaction } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import type { Secrets } from "../security/secrets.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { writeSettings } from "../settings/settings.ts";
import { readFirstUpstream, saveUpstream } from "../upstreams/upstreams.ts";
import type { Credentials } from "./credentials.ts";
import { forgetKnownClients } from "./known-clients.ts";
import { createPasswordGate } from "./password-gate.ts";
import { insertUser } from "./registration.ts";
import { hasOwner } from "./setup.ts";
import { forgetAttempts } from "./throttles.ts";

/** Who the audit log names for these acts. */
const commandLine: Actor = { userId: null, email: null, address: "command line" };

/** One password at a time: nobody else hashes in this process. */
const hashPassword = (account: string, password: string): Promise<string> =>
  createPasswordGate().admit({ account, network: commandLine.address }, (hasher) =>
    hasher.hash(password, { isKnown: true }),
  );

/** Makes the first owner without the wizard. @throws AppError `conflict` where there is an owner or the address is taken */
export async function createOwner(db: Database, { email, password }: Credentials): Promise<void> {
  const passwordHash = await hashPassword(email, password);
  await recordAct(db, commandLine, async (client) => {
    await lockInTransaction(client, "setup");
    if (await hasOwner({ pool: client }))
      throw new AppError("conflict", "There is an owner already; reset-password lets them in again.");
    const userId = randomUUID();
    await insertUser(client, { id: userId, email, passwordHash, role: "owner", balanceNanoUsd: 0n });
    await client.query("DELETE FROM setup");
    const after = { email, role: "owner" };
    return {
      act: { action: "create_owner", targetKind: "user", targetId: userId, before: null, after },
      result: undefined,
    };
  });
}

/** Also ends the user's sessions and lets them try again at once. @throws AppError `not_found` */
export async function resetPassword(db: Database, { email, password }: Credentials): Promise<void> {
  const passwordHash = await hashPassword(email, password);
  await recordAct(db, commandLine, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `UPDATE "user" SET password_hash = $2 WHERE email = $1 RETURNING id`,
      [email, passwordHash],
    );
    const userId = rows[0]?.id;
    if (!userId) throw new AppError("not_found", `Nobody is registered as ${email}.`);
    const { rowCount } = await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
    await forgetKnownClients(client, userId);
    await forgetAttempts(client, email);
    const [before, after] = [{ sessions: rowCount ?? 0 }, { sessions: 0 }];
    return {
      act: { action: "reset_password", targetKind: "user", targetId: userId, before, after },
      result: undefined,
    };
  });
}

/** @throws AppError `invalid_input` where the address is not allowed */
export async function setFirstUpstream(
  db: Database,
  secrets: Secrets,
  { baseUrl, apiKey, isPrivateAllowed }: { baseUrl: string; apiKey: string; isPrivateAllowed: boolean },
): Promise<void> {
  await recordAct(db, commandLine, async (client) => {
    const first = await readFirstUpstream(client);
    if (isPrivateAllowed) await writeSettings(client, { allowsPrivateUpstreams: true });
    const id = await saveUpstream(client, secrets, { baseUrl, apiKey });
    return {
      act: {
        action: "update_upstream",
        targetKind: "upstream",
        targetId: id,
        before: first && { baseUrl: first.baseUrl, keyLastFour: first.keyLastFour },
        after: { baseUrl, keyLastFour: apiKey.slice(-4) },
        details: { isPrivateAllowed, isKeyChanged: true },
      },
      result: undefined,
    };
  });
}
