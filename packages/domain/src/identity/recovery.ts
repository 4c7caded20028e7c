/** For whoever runs the gateway and is locked out of its pages: what the command line can do without a session. */
import { randomUUID } from "node:crypto";
import { type Database, lockInTransaction } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { AppError } from "../app-error.ts";
import type { Secrets } from "../security/secrets.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import { readSettings, writeSettings } from "../settings/settings.ts";
import { readFirstUpstream, saveUpstream } from "../upstreams/upstreams.ts";
import type { Credentials } from "./credentials.ts";
import { createPasswordGate } from "./password-gate.ts";
import { setPassword } from "./password-reset.ts";
import { insertUser } from "./registration.ts";
import type { GrantableRole } from "./roles.ts";
import { hasOwner } from "./setup.ts";

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
    const balanceNanoUsd = BigInt((await readSettings({ pool: client })).defaultBalanceNanoUsd);
    await insertUser(client, { id: userId, email, passwordHash, role: "owner", balanceNanoUsd });
    await client.query("DELETE FROM setup");
    const after = { email, role: "owner", balanceUsd: usdOf(balanceNanoUsd) };
    return {
      act: { action: "create_owner", targetKind: "user", targetId: userId, before: null, after },
      result: undefined,
    };
  });
}

/** With the default balance. @throws AppError `conflict` where the address is taken */
export async function addUser(
  db: Database,
  { email, password, role }: Credentials & { role: GrantableRole },
): Promise<void> {
  const passwordHash = await hashPassword(email, password);
  await recordAct(db, commandLine, async (client) => {
    const userId = randomUUID();
    const balanceNanoUsd = BigInt((await readSettings({ pool: client })).defaultBalanceNanoUsd);
    await insertUser(client, { id: userId, email, passwordHash, role, balanceNanoUsd });
    const after = { email, role, balanceUsd: usdOf(balanceNanoUsd) };
    return {
      act: { action: "create_user", targetKind: "user", targetId: userId, before: null, after },
      result: undefined,
    };
  });
}

/** Also ends the user's sessions and lets them try again at once. @throws AppError `not_found` */
export async function resetPassword(db: Database, { email, password }: Credentials): Promise<void> {
  const passwordHash = await hashPassword(email, password);
  await recordAct(db, commandLine, async (client) => {
    const { rows } = await client.query<{ id: string }>('SELECT id FROM "user" WHERE email = $1 FOR NO KEY UPDATE', [
      email,
    ]);
    const userId = rows[0]?.id;
    if (!userId) throw new AppError("not_found", `Nobody is registered as ${email}.`);
    const ended = await setPassword(client, { userId, email, passwordHash });
    const [before, after] = [{ sessions: ended }, { sessions: 0 }];
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
