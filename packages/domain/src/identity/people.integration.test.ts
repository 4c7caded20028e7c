/** Adding people, letting them in again, and taking them away: what happens when two do it at once, and what is left over. */
import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { verifyLedger } from "@codex-gateway/ledger";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPrice } from "../prices/open-price.ts";
import { listAudit } from "../audit/audit-list.ts";
import { createKey, listKeys } from "../api-keys/keys.ts";
import { aSomebody, aVisitor, logInParts, testPassword, type Somebody } from "../testing/people.ts";
import { listUsers, readUser, setUserStatus } from "./admin.ts";
import { acceptInvite, createInvite, listInvites, readInvite, withdrawInvite, type NewInvite } from "./invites.ts";
import { logIn } from "./login.ts";
import { createUser, deleteUser, endUserSessions, setUserKeyStatus, setUserRole } from "./manage-users.ts";
import { acceptOwnership, dropOwnershipOffer, offerOwnership, readOwnershipOffer } from "./ownership.ts";
import { completePasswordReset, issueResetLink, readResetLink, requestPasswordReset } from "./password-reset.ts";
import type { Role } from "./roles.ts";
import { createThrottles, type Throttles } from "./throttles.ts";

let db: TestDatabase;
let throttles: Throttles;
let admin: Somebody;
beforeAll(async () => {
  db = await createTestDatabase();
  throttles = createThrottles(db);
  admin = await somebodyWhoIs("admin");
});
afterAll(() => db.drop());

async function somebodyWhoIs(role: Role): Promise<Somebody> {
  const somebody = await aSomebody(db, throttles);
  await db.prisma.user.update({ where: { id: somebody.userId }, data: { role } });
  return somebody;
}

const actorOf = ({ userId, email, visitor }: Somebody) => ({ userId, email, address: visitor.address });
const anAddress = () => `${randomUUID()}@example.com`;
const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error);
const outcome = (work: Promise<unknown>) => work.then(() => "done", codeOf);
const logInAs = (email: string, password: string) => logIn(db, logInParts(throttles), { email, password }, aVisitor());

describe("invitations", () => {
  const anInvite = (invite: Partial<NewInvite> = {}) =>
    createInvite(db, {
      role: "user",
      creditNanoUsd: 3_000_000_000n,
      email: null,
      note: "",
      maxUses: 1,
      expiresAt: null,
      actor: actorOf(admin),
      ...invite,
    });
  const accept = (token: string, email = anAddress()) =>
    acceptInvite(db, throttles, { token, email, password: testPassword }, aVisitor());

  test("ten who use a link for three at once: three come in, each with its role and balance, once", async () => {
    const { id, token } = await anInvite({ maxUses: 3, role: "viewer" });
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(accept(token))));
    expect(outcomes.filter((each) => each === "done")).toHaveLength(3);
    expect(new Set(outcomes)).toEqual(new Set(["done", "invalid_input"]));
    const made = await db.prisma.inviteUse.findMany({
      where: { inviteId: id },
      include: { user: { include: { accounts: true } } },
    });
    expect(made.map(({ user }) => [user.role, user.accounts.map(({ balanceNanoUsd }) => balanceNanoUsd)])).toEqual(
      Array(3).fill(["viewer", [3_000_000_000n]]),
    );
    const { invites } = await listInvites(db, { limit: 1, offset: 0 });
    expect(invites[0]).toMatchObject({ id, uses: 3, state: "used" });
  });

  test("an address that is taken uses nothing up", async () => {
    const { token } = await anInvite();
    expect(await outcome(accept(token, admin.email))).toBe("conflict");
    expect(await outcome(accept(token))).toBe("done");
  });

  test.each<[string, (id: string) => Promise<unknown>, Partial<NewInvite>]>([
    ["has expired", () => Promise.resolve(), { expiresAt: new Date(Date.now() - 1_000) }],
    ["was withdrawn", (inviteId) => withdrawInvite(db, { inviteId, actor: actorOf(admin) }), {}],
  ])("one that %s lets nobody in", async (_what, end, invite) => {
    const { id, token } = await anInvite(invite);
    await end(id);
    expect(await readInvite(db, token)).toBeNull();
    expect(await outcome(accept(token))).toBe("invalid_input");
  });

  test("one whose maker is no admin any more lets nobody in", async () => {
    const maker = await somebodyWhoIs("admin");
    const { token } = await anInvite({ role: "admin", actor: actorOf(maker) } as Partial<NewInvite>);
    expect(await readInvite(db, token)).not.toBeNull();
    await db.prisma.user.update({ where: { id: maker.userId }, data: { role: "user" } });
    expect(await outcome(accept(token))).toBe("invalid_input");
  });

  test("one for an address is for no other", async () => {
    const email = anAddress();
    const { token } = await anInvite({ email });
    expect(await outcome(accept(token))).toBe("invalid_input");
    expect(await outcome(accept(token, email))).toBe("done");
  });

  test.each(["", "x", "\u0000".repeat(10), "a".repeat(200)])("%j is no link's", async (token) => {
    expect(await readInvite(db, token)).toBeNull();
    expect(await readResetLink(db, token)).toBeNull();
  });
});

describe("passwords", () => {
  const choose = (token: string, password = "another password") =>
    completePasswordReset(db, throttles, { token, password }, aVisitor());

  test("who was added without a password chooses one by their link, and not before", async () => {
    const email = anAddress();
    const { userId, link } = await createUser(db, { email, role: "viewer", creditNanoUsd: 0n, actor: actorOf(admin) });
    expect(await outcome(logInAs(email, testPassword))).toBe("unauthorized");
    expect((await readUser(db, userId)).hasPassword).toBe(false);
    expect((await choose(link.token))?.userId).toBe(userId);
    expect(await outcome(logInAs(email, "another password"))).toBe("done");
  });

  test("a link is used once, however many use it at once, and ends every session", async () => {
    const user = await aSomebody(db, throttles);
    const { token } = await issueResetLink(db, { userId: user.userId, actor: actorOf(admin) });
    expect(await outcome(logInAs(user.email, testPassword))).toBe("done");
    const outcomes = await Promise.all([1, 2].map(() => outcome(choose(token))));
    expect(outcomes.sort()).toEqual(["done", "invalid_input"]);
    expect(await db.prisma.session.count({ where: { userId: user.userId } })).toBe(1);
    expect(await outcome(logInAs(user.email, testPassword))).toBe("unauthorized");
  });

  test("a newer link takes the place of the one before; one that is too old, and a suspended user's, hold no more", async () => {
    const user = await aSomebody(db, throttles);
    const links = [];
    for (let n = 0; n < 3; n++) links.push(await issueResetLink(db, { userId: user.userId, actor: actorOf(admin) }));
    const [first, , last] = links;
    expect(await outcome(choose(first!.token))).toBe("invalid_input");
    await setUserStatus(db, { userId: user.userId, status: "suspended", actor: actorOf(admin) });
    expect(await readResetLink(db, last!.token)).toBeNull();
    await setUserStatus(db, { userId: user.userId, status: "active", actor: actorOf(admin) });
    expect(await readResetLink(db, last!.token)).toEqual({ email: user.email });
    await db.pool.query("UPDATE password_reset SET expires_at = now() WHERE user_id = $1", [user.userId]);
    expect(await outcome(choose(last!.token))).toBe("invalid_input");
  });

  test("a link is asked for by address: none for a stranger's, and no more than three in a quarter of an hour", async () => {
    const user = await aSomebody(db, throttles);
    const ask = (email: string) => requestPasswordReset(db, throttles, { email, address: aVisitor().address });
    expect(await ask(anAddress())).toBeNull();
    const asked = [];
    for (let n = 0; n < 5; n++) asked.push(await ask(user.email));
    expect(asked.map((link) => link !== null)).toEqual([true, true, true, false, false]);
  });

  test("nobody makes a link for the owner but the owner", async () => {
    const owner = await somebodyWhoIs("owner");
    const forAdmin = issueResetLink(db, { userId: owner.userId, actor: actorOf(admin) });
    expect(await outcome(forAdmin)).toBe("forbidden");
    expect(await outcome(issueResetLink(db, { userId: owner.userId, actor: actorOf(owner) }))).toBe("done");
    await db.prisma.user.update({ where: { id: owner.userId }, data: { role: "admin" } });
  });
});

describe("acts on users", () => {
  test("the owner is out of an admin's reach, and nobody takes their own rights away", async () => {
    const owner = await somebodyWhoIs("owner");
    const { key } = await createKey(db, {
      userId: owner.userId,
      name: "k",
      actor: actorOf(owner),
      keyPepper: Buffer.from("p"),
    });
    const on = (target: Somebody) => {
      const of = { userId: target.userId, actor: actorOf(admin) };
      return [
        setUserRole(db, { ...of, role: "user" }),
        deleteUser(db, { ...of, email: target.email }),
        setUserStatus(db, { ...of, status: "suspended" }),
      ];
    };
    expect(await Promise.all(on(owner).map(outcome))).toEqual(["forbidden", "forbidden", "not_found"]);
    expect(await Promise.all(on(admin).map(outcome))).toEqual(["forbidden", "forbidden", "not_found"]);
    const of = { userId: owner.userId, actor: actorOf(admin) };
    expect(await outcome(endUserSessions(db, of))).toBe("forbidden");
    expect(await outcome(setUserKeyStatus(db, { ...of, keyId: key.id, status: "disabled" }))).toBe("forbidden");
    await db.prisma.user.update({ where: { id: owner.userId }, data: { role: "admin" } });
  });

  test("a new role ends the sessions that had the old one", async () => {
    const user = await aSomebody(db, throttles);
    await setUserRole(db, { userId: user.userId, role: "admin", actor: actorOf(admin) });
    expect(await db.prisma.session.count({ where: { userId: user.userId } })).toBe(0);
    expect((await readUser(db, user.userId)).role).toBe("admin");
  });

  test("somebody else's key is not found by way of another user", async () => {
    const [one, other] = [await aSomebody(db, throttles), await aSomebody(db, throttles)];
    const { key } = await createKey(db, {
      userId: one.userId,
      name: "k",
      actor: actorOf(one),
      keyPepper: Buffer.from("p"),
    });
    const disable = (userId: string) =>
      outcome(setUserKeyStatus(db, { userId, keyId: key.id, status: "disabled", actor: actorOf(admin) }));
    expect(await disable(other.userId)).toBe("not_found");
    expect(await disable(one.userId)).toBe("done");
    expect((await listKeys(db, one.userId))[0]?.status).toBe("disabled");
  });

  test("users are found by a part of their address, their id or its beginning, a key's beginning, and a request's id", async () => {
    const user = await aSomebody(db, throttles);
    const { key } = await createKey(db, {
      userId: user.userId,
      name: "k",
      actor: actorOf(user),
      keyPepper: Buffer.from("p"),
    });
    const find = async (search: string) =>
      (await listUsers(db, { search, status: null, limit: 10, offset: 0 })).users.map(({ id }) => id);
    const [prefix] = key.masked.split("…");
    for (const search of [
      user.email,
      user.email.slice(3, 20).toUpperCase(),
      user.userId,
      user.userId.toUpperCase(),
      user.userId.slice(0, 8),
      key.masked,
      prefix!,
      key.id,
    ]) {
      expect(await find(search), search).toEqual([user.userId]);
    }
    for (const search of [randomUUID(), "sk-cg-zzzzzz…zzzz", "%", "_", "'; --", "nobody@"]) {
      expect(await find(search), search).toEqual([]);
    }
  });

  test("who is deleted leaves no address, name, key or way in; the books stay proven, and the address is free again", async () => {
    const user = await aSomebody(db, throttles);
    const { userId, email } = user;
    const { key } = await createKey(db, {
      userId,
      name: "Anna's laptop",
      actor: actorOf(user),
      keyPepper: Buffer.from("p"),
    });
    await issueResetLink(db, { userId, actor: actorOf(admin) });
    const remove = (typed: string) => outcome(deleteUser(db, { userId, email: typed, actor: actorOf(admin) }));
    expect(await remove(anAddress())).toBe("conflict");
    expect(await remove(email)).toBe("done");
    expect(await remove(email)).toBe("not_found");
    expect(await listKeys(db, userId)).toEqual([]);
    const gone = await readUser(db, userId);
    expect([gone.email.includes(email), gone.deletedAt !== null, gone.hasPassword]).toEqual([false, true, false]);
    // Wherever a table has text or JSON, but for the audit log, which nobody can change.
    const { rows } = await db.pool.query<{ table: string; column: string }>(
      `SELECT c.table_name AS table, c.column_name AS column FROM information_schema.columns c
       JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type IN ('text', 'jsonb') AND c.table_name <> 'audit_log'`,
    );
    const kept: string[] = [];
    for (const { table, column } of rows) {
      const { rowCount } = await db.pool.query(
        `SELECT 1 FROM "${table}" WHERE strpos("${column}"::text, $1) > 0 OR strpos("${column}"::text, $2) > 0 LIMIT 1`,
        [email, "Anna"],
      );
      if (rowCount) kept.push(`${table}.${column}`);
    }
    expect(kept).toEqual([]);
    expect(await outcome(logInAs(email, testPassword))).toBe("unauthorized");
    // The log shows the pseudonym of who acted.
    const { lines } = await listAudit(db, { action: "create_key", search: "", limit: 100, offset: 0 });
    expect(lines.find(({ targetId }) => targetId === key.id)?.actorEmail).toMatch(/^deleted-.*@deleted\.invalid$/);
    const checks = await verifyLedger(db, openPrice);
    expect(checks.filter(({ breaches }) => breaches > 0)).toEqual([]);
    expect(
      (await listUsers(db, { search: "", status: null, limit: 100, offset: 0 })).users.map(({ id }) => id),
    ).not.toContain(userId);
    expect((await listUsers(db, { search: userId, status: "deleted", limit: 1, offset: 0 })).total).toBe(1);
    expect(await outcome(setUserStatus(db, { userId, status: "active", actor: actorOf(admin) }))).toBe("not_found");
    const again = await createUser(db, { email, role: "user", creditNanoUsd: 0n, actor: actorOf(admin) });
    expect(again.userId).not.toBe(userId);
  });
});

describe("the ownership", () => {
  const ownerId = async () => (await db.prisma.user.findFirst({ where: { role: "owner" } }))?.id;
  const account = (somebody: Somebody) => ({
    actor: actorOf(somebody),
    sessionId: somebody.session.id,
    visitor: somebody.visitor,
    currentPassword: testPassword,
  });

  test("is offered by the owner alone, with their password, and goes over once it is accepted", async () => {
    const [owner, next] = [await somebodyWhoIs("owner"), await aSomebody(db, throttles)];
    const offer = (by: Somebody, more = {}) =>
      outcome(offerOwnership(db, throttles, { email: next.email, ...account(by), ...more }));
    expect(await offer(admin)).toBe("forbidden");
    expect(await offer(owner, { currentPassword: "not the password" })).toBe("invalid_input");
    expect(await offer(owner, { email: anAddress() })).toBe("invalid_input");
    expect(await offer(owner)).toBe("done");
    expect(await readOwnershipOffer(db, { userId: admin.userId, role: "admin" })).toBeNull();
    expect(await readOwnershipOffer(db, { userId: next.userId, role: "user" })).toMatchObject({ isMine: true });
    expect(await ownerId()).toBe(owner.userId);
    expect(await outcome(acceptOwnership(db, { actor: actorOf(admin), visitor: admin.visitor }))).toBe("not_found");
    // Twice at once: once.
    const accept = () => outcome(acceptOwnership(db, { actor: actorOf(next), visitor: next.visitor }));
    expect((await Promise.all([accept(), accept()])).sort()).toEqual(["done", "not_found"]);
    expect(await ownerId()).toBe(next.userId);
    expect((await readUser(db, owner.userId)).role).toBe("admin");
    expect(await db.prisma.session.count({ where: { userId: owner.userId } })).toBe(0);
    await db.prisma.user.update({ where: { id: next.userId }, data: { role: "admin" } });
  });

  test("an offer that is withdrawn, declined or too old gives nothing", async () => {
    const [owner, next] = [await somebodyWhoIs("owner"), await aSomebody(db, throttles)];
    const offer = () => offerOwnership(db, throttles, { email: next.email, ...account(owner) });
    const accept = () => outcome(acceptOwnership(db, { actor: actorOf(next), visitor: next.visitor }));
    for (const by of [owner, next]) {
      await offer();
      await dropOwnershipOffer(db, { actor: actorOf(by) });
      expect(await accept()).toBe("not_found");
    }
    await offer();
    await dropOwnershipOffer(db, { actor: actorOf(admin) });
    expect(await readOwnershipOffer(db, { userId: next.userId, role: "user" })).not.toBeNull();
    await db.pool.query("UPDATE ownership_offer SET expires_at = now()");
    expect(await accept()).toBe("not_found");
    expect(await ownerId()).toBe(owner.userId);
    await db.prisma.user.update({ where: { id: owner.userId }, data: { role: "admin" } });
  });
});
