import { randomUUID } from "node:crypto";
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import type { Ledger } from "@codex-gateway/ledger";
import { aCapture, aHold, aLedger, aPayer, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addResource,
  listResources,
  locateResources,
  mayAddResource,
  removeResource,
  type ResourceRef,
} from "./resources.ts";

let db: TestDatabase;
let ledger: Ledger;
let [ann, bob]: Payer[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
  ledger = await aLedger(db);
  [ann, bob] = [await aPayer(db), await aPayer(db)];
});
afterAll(() => db.drop());

const ref = (kind: ResourceRef["kind"], id: string, param: string | null = null): ResourceRef => ({ kind, id, param });
const locate = (payer: Payer | undefined, ...resources: ResourceRef[]) =>
  locateResources(db, { accountId: payer!.accountId, resources });
const ownOf = (payer: Payer | undefined, kind: ResourceRef["kind"], upstreamId: string = randomUUID()) => ({
  kind,
  id: `id_${randomUUID()}`,
  upstreamId,
  accountId: payer!.accountId,
  apiKeyId: payer!.apiKeyId,
});

async function aResponse(payer: Payer | undefined, upstreamId: string | null = randomUUID()) {
  const id = `resp_${randomUUID()}`;
  const order = aHold(payer!, { endpoint: "responses" });
  await ledger.hold(order);
  await ledger.capture(aCapture(order.id, { upstreamId, upstreamResponseId: id }));
  return { id, upstreamId };
}

describe.each(["response", "conversation", "chat_completion"] as const)("a %s", (kind) => {
  test("is its account's, and does not exist for another one", async () => {
    const own = ownOf(ann, kind);
    await addResource(db, own);
    expect(await locate(ann, ref(kind, own.id))).toEqual({ upstreamId: own.upstreamId });
    expect(await locate(bob, ref(kind, own.id))).toMatchObject({
      refused: "resource_not_found",
      message: expect.stringContaining(`with id '${own.id}' not found.`) as string,
    });
  });

  test("is of its kind alone", async () => {
    const own = ownOf(ann, kind);
    await addResource(db, own);
    for (const other of ["response", "conversation", "chat_completion"] as const) {
      if (other !== kind) expect(await locate(ann, ref(other, own.id))).toHaveProperty("refused");
    }
  });

  test("stays its first account's where its upstream gives the id twice", async () => {
    const own = ownOf(ann, kind);
    await addResource(db, own);
    await addResource(db, { ...own, accountId: bob!.accountId });
    expect(await locate(bob, ref(kind, own.id))).toHaveProperty("refused");
    await removeResource(db, { ...own, accountId: bob!.accountId });
    expect(await locate(ann, ref(kind, own.id))).toEqual({ upstreamId: own.upstreamId });
  });

  test("is nobody's once it is removed, and stays that", async () => {
    const own = ownOf(ann, kind);
    await addResource(db, own);
    await removeResource(db, own);
    await removeResource(db, own);
    await addResource(db, own);
    expect(await locate(ann, ref(kind, own.id))).toHaveProperty("refused");
  });

  test("that nobody has written down does not exist", async () => {
    expect(await locate(ann, ref(kind, "id_nobody"))).toHaveProperty("refused");
  });
});

test("a response is whoever's paid for it, until it is removed", async () => {
  const { id, upstreamId } = await aResponse(ann);
  expect(await locate(ann, ref("response", id))).toEqual({ upstreamId });
  expect(await locate(bob, ref("response", id))).toHaveProperty("refused");
  await removeResource(db, { ...ownOf(ann, "response"), upstreamId: upstreamId!, id });
  expect(await locate(ann, ref("response", id))).toHaveProperty("refused");
});

test("several must all be the account's, and lie at one place", async () => {
  const [one, two, apart] = [ownOf(ann, "conversation"), ownOf(ann, "chat_completion"), ownOf(ann, "conversation")];
  two.upstreamId = one.upstreamId;
  for (const each of [one, two, apart]) await addResource(db, each);
  const [first, second] = [ref("conversation", one.id), ref("chat_completion", two.id)];
  expect(await locate(ann, first, second)).toEqual({ upstreamId: one.upstreamId });
  expect(await locate(ann, first, ref("conversation", apart.id, "conversation"))).toMatchObject({
    refused: "resource_not_found",
    param: "conversation",
  });
  const unknown = await aResponse(ann, null);
  expect(await locate(ann, ref("response", unknown.id), first)).toEqual({ upstreamId: one.upstreamId });
});

test("a previous response that is not there has a code of its own", async () => {
  expect(await locate(ann, ref("response", "resp_x", "previous_response_id"))).toMatchObject({
    refused: "response_not_found",
    param: "previous_response_id",
  });
});

test("a list has an account's own of one kind, by age, behind a cursor of its own, and none that were removed", async () => {
  const [cas, dan] = [await aPayer(db), await aPayer(db)];
  const own = Array.from({ length: 5 }, () => ownOf(cas, "chat_completion"));
  for (const each of own) await addResource(db, each);
  await addResource(db, ownOf(cas, "conversation"));
  const foreign = ownOf(dan, "chat_completion");
  await addResource(db, foreign);
  const list = async (after: string | null = null, order: "asc" | "desc" = "asc", limit = 10) => {
    const query = { accountId: cas.accountId, kind: "chat_completion" as const, after, order, limit };
    return (await listResources(db, query))?.map(({ id }) => id) ?? null;
  };
  const ids = own.map(({ id }) => id);
  expect(await list()).toEqual(ids);
  expect(await list(null, "desc", 2)).toEqual(ids.toReversed().slice(0, 2));
  expect(await list(ids[1] ?? "", "asc", 2)).toEqual(ids.slice(2, 4));
  expect(await list(ids[1] ?? "", "desc")).toEqual([ids[0]]);
  expect(await list(foreign.id)).toBeNull();
  await removeResource(db, own[1]!);
  expect(await list(ids[1] ?? "")).toEqual(ids.slice(2));
  expect(await list()).toEqual(ids.filter((id) => id !== ids[1]));
});

test("an account may have so many of a kind, and again where one is removed", async () => {
  const eve = await aPayer(db);
  const may = () => mayAddResource(db, { accountId: eve.accountId, kind: "conversation" });
  await db.pool.query(
    `INSERT INTO resource (kind, id, upstream_id, account_id, api_key_id)
     SELECT 'conversation', 'many_' || n, $1, $2, $3 FROM generate_series(1, 9999) n`,
    [randomUUID(), eve.accountId, eve.apiKeyId],
  );
  expect(await may()).toBe(true);
  const last = ownOf(eve, "conversation");
  await addResource(db, last);
  expect(await may()).toBe(false);
  await removeResource(db, last);
  expect(await may()).toBe(true);
});
