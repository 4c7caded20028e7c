/** For whoever runs the gateway and is locked out of its pages: what the command line can do without a session. */
import type { Database } from "@codex-gateway/db";
import { AppError } from "../app-error.ts";
import type { Secrets } from "../access/secrets.ts";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import { writeSettings } from "../settings/settings.ts";
import { saveUpstream } from "../upstreams/upstreams.ts";
import type { Credentials } from "./credentials.ts";
import { insertUser } from "./login.ts";
import { hashPassword } from "./passwords.ts";
import { hasOwner, setupLock } from "./setup.ts";

/** Who the audit log names for these acts. */
const commandLine: Actor = { userId: null, email: null, address: "command line" };

/** Makes the first owner without the wizard. @throws AppError `conflict` where there is an owner or the address is taken */
export async function createOwner(db: Database, { email, password }: Credentials): Promise<void> {
  const passwordHash = await hashPassword(password);
  await inTransaction(db, async (client) => {
    await client.query("SELECT pg_advisory_xact_lock($1)", [setupLock]);
    if (await hasOwner({ pool: client }))
      throw new AppError("conflict", "There is an owner already; reset-password lets them in again.");
    const { address } = commandLine;
    const userId = await insertUser(client, { email, passwordHash, role: "owner", balanceNanoUsd: 0n, address });
    await client.query("DELETE FROM setup");
    await appendAudit(client, commandLine, { action: "create_owner", targetKind: "user", targetId: userId });
  });
}

/** Also ends the user's sessions and lets them try again at once. @throws AppError `not_found` */
export async function resetPassword(db: Database, { email, password }: Credentials): Promise<void> {
  const passwordHash = await hashPassword(password);
  await inTransaction(db, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `UPDATE "user" SET password_hash = $2 WHERE email = $1 RETURNING id`,
      [email, passwordHash],
    );
    const userId = rows[0]?.id;
    if (!userId) throw new AppError("not_found", `Nobody is registered as ${email}.`);
    await client.query("DELETE FROM session WHERE user_id = $1", [userId]);
    await client.query("DELETE FROM throttle WHERE key = $1", [`login-account:${email}`]);
    await appendAudit(client, commandLine, { action: "reset_password", targetKind: "user", targetId: userId });
  });
}

/** @throws AppError `invalid_input` where the address is not allowed */
export async function setFirstUpstream(
  db: Database,
  secrets: Secrets,
  { baseUrl, apiKey, isPrivateAllowed }: { baseUrl: string; apiKey: string; isPrivateAllowed: boolean },
): Promise<void> {
  await inTransaction(db, async (client) => {
    if (isPrivateAllowed) await writeSettings(client, { allowsPrivateUpstreams: true });
    const id = await saveUpstream(client, secrets, { baseUrl, apiKey });
    await appendAudit(client, commandLine, {
      action: "update_upstream",
      targetKind: "upstream",
      targetId: id,
      details: { baseUrl, isPrivateAllowed, isKeyChanged: true },
    });
  });
}
