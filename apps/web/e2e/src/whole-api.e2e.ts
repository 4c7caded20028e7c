/** Each method of the official SDK that is offered, through the gateway and at the provider; and whose an id is. */
import { createPerson, startDemo, type RunningDemo } from "@codex-gateway/demo";
import { freeEndpoints } from "@codex-gateway/gateway";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

const model = "gpt-4o-mini";
const messages = [{ role: "user" as const, content: "Hello" }];

let demo: RunningDemo;
let own: OpenAI;
let direct: OpenAI;
let foreign: OpenAI;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  const options = { maxRetries: 0 };
  own = new OpenAI({ ...options, apiKey: demo.apiKey, baseURL: demo.api });
  direct = new OpenAI({ ...options, apiKey: "sk-fake", baseURL: demo.upstream });
  const stranger = createPerson(demo.web);
  await stranger.api.auth.register.mutate({ email: "stranger@example.com", password: "password-of-test" });
  const { secret } = await stranger.api.keys.create.mutate({ name: "stranger's" });
  foreign = new OpenAI({ ...options, apiKey: secret, baseURL: demo.api });
});
afterAll(() => demo.stop());

/** One of each kind, made by whoever asks. */
async function makeAll(client: OpenAI) {
  const response = await client.responses.create({ model, input: "Hello", store: true });
  const completion = await client.chat.completions.create({ model, messages, store: true, metadata: { n: "1" } });
  const conversation = await client.conversations.create({ items: [{ type: "message", role: "user", content: "Hi" }] });
  const items = await client.conversations.items.list(conversation.id);
  return {
    response: response.id,
    chat_completion: completion.id,
    conversation: conversation.id,
    item: items.data[0]!.id!,
  };
}
type Ids = Awaited<ReturnType<typeof makeAll>>;

const methods: Record<string, (client: OpenAI, ids: Ids) => Promise<unknown>> = {
  "responses.create": (client) => client.responses.create({ model, input: "Hello" }),
  "responses.create, going on": (client, { response }) =>
    client.responses.create({ model, input: "Go on", previous_response_id: response }),
  "responses.create, in a conversation": (client, { conversation }) =>
    client.responses.create({ model, input: "Go on", conversation }),
  "responses.stream": async (client) => {
    const stream = client.responses.stream({ model, input: "Hello" });
    return (await stream.finalResponse()).output_text;
  },
  "responses.retrieve": (client, { response }) => client.responses.retrieve(response),
  "responses.retrieve, streamed": async (client, { response }) => {
    const types: string[] = [];
    for await (const { type } of await client.responses.retrieve(response, { stream: true, starting_after: 2 }))
      types.push(type);
    return types;
  },
  "responses.inputItems.list": (client, { response }) => client.responses.inputItems.list(response, { limit: 1 }),
  "responses.inputTokens.count": (client) => client.responses.inputTokens.count({ model, input: "Hello" }),
  "responses.compact": (client) => client.responses.compact({ model, input: "Hello" }),
  "responses.cancel": (client, { response }) => client.responses.cancel(response),
  "chat.completions.create": (client) => client.chat.completions.create({ model, messages }),
  "chat.completions.retrieve": (client, ids) => client.chat.completions.retrieve(ids.chat_completion),
  "chat.completions.update": (client, ids) =>
    client.chat.completions.update(ids.chat_completion, { metadata: { n: "2" } }),
  "chat.completions.messages.list": (client, ids) => client.chat.completions.messages.list(ids.chat_completion),
  "chat.completions.list": async (client, ids) => {
    const all = await client.chat.completions.list({ limit: 100 });
    return all.data.some(({ id }) => id === ids.chat_completion);
  },
  "completions.create": (client) => client.completions.create({ model, prompt: "Hello" }),
  "embeddings.create": (client) => client.embeddings.create({ model: "text-embedding-3-small", input: "Hello" }),
  "images.generate": (client) => client.images.generate({ model: "gpt-image-2", prompt: "A cat" }),
  "images.generate, streamed": async (client) => {
    const params = { model: "gpt-image-2", prompt: "A cat", stream: true, partial_images: 2 } as const;
    const types: string[] = [];
    for await (const { type } of await client.images.generate(params)) types.push(type);
    return types;
  },
  "moderations.create": (client) => client.moderations.create({ input: "Hello" }),
  "conversations.retrieve": (client, { conversation }) => client.conversations.retrieve(conversation),
  "conversations.update": (client, { conversation }) =>
    client.conversations.update(conversation, { metadata: { a: "b" } }),
  "conversations.items.create": (client, { conversation }) =>
    client.conversations.items.create(conversation, { items: [{ type: "message", role: "user", content: "More" }] }),
  "conversations.items.list": (client, { conversation }) =>
    client.conversations.items.list(conversation, { order: "asc", limit: 1 }),
  "conversations.items.retrieve": (client, { conversation, item }) =>
    client.conversations.items.retrieve(item, { conversation_id: conversation }),
  "conversations.items.delete": (client, { conversation, item }) =>
    client.conversations.items.delete(item, { conversation_id: conversation }),
  "conversations.delete": (client, { conversation }) => client.conversations.delete(conversation),
  "chat.completions.delete": (client, ids) => client.chat.completions.delete(ids.chat_completion),
  "responses.delete": (client, { response }) => client.responses.delete(response),
};

/** What it comes to without what differs each time: ids and times. */
const outcomeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (answer) => JSON.parse(JSON.stringify(answer ?? null), plain) as unknown,
    (error: unknown) => ({ status: (error as { status: number }).status }),
  );
function plain(key: string, value: unknown): unknown {
  if (/^(?:created|created_at)$/.test(key)) return 0;
  return typeof value === "string" ? value.replace(/\b([a-z]+)_[a-z0-9]+x\d+\b/g, "$1_…") : value;
}

test("each method answers through the gateway as it does at the provider", async () => {
  const [ids, directIds] = [await makeAll(own), await makeAll(direct)];
  const through: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(methods)) {
    through[name] = await outcomeOf(call(own, ids));
    expected[name] = await outcomeOf(call(direct, directIds));
  }
  expect(through).toEqual(expected);
});

const pathOf = (template: string, ids: Record<string, string>) =>
  template.slice("/v1".length).replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? "");

const ask = ({ apiKey, baseURL }: OpenAI, method: string, path: string, body?: object) =>
  fetch(`${baseURL}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });

describe("an id of somebody else", () => {
  let ids: Ids;
  beforeAll(async () => {
    ids = await makeAll(own);
  });

  const named = freeEndpoints.filter(({ path }) => path.includes("{"));
  test.each(named.map((endpoint) => [endpoint.name, endpoint] as const))(
    "is 404 in the path of %s, as one that nobody has, and the provider is not asked",
    async (_, { method, path, shape }) => {
      const served = demo.fake.served.length;
      const body = shape ? { items: [], metadata: {} } : undefined;
      const answer = await ask(foreign, method, pathOf(path, ids), body);
      const nobodys = await ask(foreign, method, pathOf(path, { ...ids, ...unknownIds }), body);
      expect([answer.status, nobodys.status]).toEqual([404, 404]);
      const words = async (response: Response, known: Record<string, string>) =>
        Object.values(known).reduce((text, id) => text.replaceAll(id, "…"), await response.text());
      expect(await words(answer, ids)).toBe(await words(nobodys, unknownIds));
      expect(demo.fake.served.length).toBe(served);
    },
  );
  const unknownIds = { response: "resp_none", chat_completion: "chatcmpl_none", conversation: "conv_none" };

  const bodies = ["/responses", "/responses/compact", "/responses/input_tokens"].flatMap((path) => [
    [path, "previous_response_id", (id: Ids) => id.response] as const,
    [path, "conversation", (id: Ids) => id.conversation] as const,
    [path, "conversation", (id: Ids) => ({ id: id.conversation })] as const,
  ]);
  test.each(bodies)("is 404 in the body of %s as %s, and nothing is held", async (path, member, idOf) => {
    const served = demo.fake.served.length;
    const holds = () => withDatabase(demo, (db) => db.prisma.hold.count());
    const before = await holds();
    const answer = await ask(foreign, "POST", path, { model, input: "x", [member]: idOf(ids) });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { type: "invalid_request_error", param: member } });
    expect([demo.fake.served.length, await holds()]).toEqual([served, before]);
  });

  test("is 404 as a cursor, and its list has nothing of anybody else", async () => {
    const served = demo.fake.served.length;
    expect((await ask(foreign, "GET", `/chat/completions?after=${ids.chat_completion}`)).status).toBe(404);
    expect((await foreign.chat.completions.list()).data).toEqual([]);
    expect(demo.fake.served.length).toBe(served);
  });

  test("is its owner's with another key of the same account", async () => {
    const { secret } = await demo.userSession.api.keys.create.mutate({ name: "second" });
    const second = new OpenAI({ apiKey: secret, baseURL: demo.api, maxRetries: 0 });
    expect((await second.responses.retrieve(ids.response)).id).toBe(ids.response);
    expect((await second.conversations.retrieve(ids.conversation)).id).toBe(ids.conversation);
    expect((await second.chat.completions.retrieve(ids.chat_completion)).id).toBe(ids.chat_completion);
  });
});

test("what was deleted is not there any more for its owner either, and the provider is not asked", async () => {
  const ids = await makeAll(own);
  await own.responses.delete(ids.response);
  await own.conversations.delete(ids.conversation);
  await own.chat.completions.delete(ids.chat_completion);
  const served = demo.fake.served.length;
  for (const { method, path, shape } of freeEndpoints.filter((endpoint) => endpoint.path.includes("{"))) {
    const answer = await ask(own, method, pathOf(path, ids), shape ? { items: [] } : undefined);
    expect(answer.status).toBe(404);
  }
  const goesOn = await ask(own, "POST", "/responses", { model, input: "x", previous_response_id: ids.response });
  expect(goesOn.status).toBe(404);
  expect(demo.fake.served.length).toBe(served);
});

test("a key that is kept to one endpoint may ask what is free around it, and nothing else", async () => {
  const { secret } = await demo.userSession.api.keys.create.mutate({ name: "kept", allowedEndpoints: ["responses"] });
  const kept = new OpenAI({ apiKey: secret, baseURL: demo.api, maxRetries: 0 });
  const { id } = await kept.responses.create({ model, input: "Hello" });
  expect((await kept.responses.retrieve(id)).id).toBe(id);
  expect((await kept.responses.compact({ model, input: "Hello" })).object).toBe("response.compaction");
  await expect(kept.moderations.create({ input: "x" })).rejects.toMatchObject({ status: 403 });
  await expect(kept.conversations.create({})).rejects.toMatchObject({ status: 403 });
  await expect(kept.chat.completions.list()).rejects.toMatchObject({ status: 403 });
});

test("a decision costs its input, a compaction and images their usage, to the nano-dollar", async () => {
  const luna = "gpt-6-luna";
  const decision = await ask(own, "POST", "/decisions", {
    model: luna,
    input: "x",
    questions: [{ type: "predicate" }],
  });
  expect(decision.status).toBe(200);
  await own.responses.compact({ model, input: "Hello" });
  const images = [{ image_url: "data:image/png;base64,iVBORw0KGgo=" }];
  const edit = await ask(own, "POST", "/images/edits", { model: "gpt-image-2", prompt: "A dog", images });
  expect(edit.status).toBe(200);
  const charges = await ask(own, "GET", "/charges?limit=3");
  const { data } = (await charges.json()) as { data: { endpoint: string; cost_usd: string }[] };
  expect(data.map(({ endpoint, cost_usd }) => [endpoint, cost_usd])).toEqual([
    // 12 × 5 + 8 × 8 + 272 × 30 USD per million
    ["images.edits", "0.008284000"],
    // 8 × 0.15 + 4 × 0.075 + 5 × 0.60 USD per million
    ["responses.compact", "0.000004500"],
    // 12 × 0.10 USD per million
    ["decisions", "0.000001200"],
  ]);
});

test("status lines say what is left, and the books are sound", async () => {
  const read = async (path: string) => (await (await ask(own, "GET", path)).json()) as Record<string, unknown>;
  const { balance_usd: balance } = await read("/credits");
  const { data } = (await read("/key")) as { data: { label: string; limit_remaining: number; usage: number } };
  expect(data.label).toBe("demo");
  expect(data.limit_remaining).toBe(Number(balance));
  expect(data.usage).toBeGreaterThan(0);
  expect(await read("/usage")).toMatchObject({ isValid: true, remaining: Number(balance), unit: "USD" });
  const { hard_limit_usd: limit } = await read("/dashboard/billing/subscription");
  const { total_usage: cents } = await read("/dashboard/billing/usage?start_date=2026-01-01&end_date=2026-12-31");
  expect(Number(limit) - Number(cents) / 100).toBeCloseTo(Number(balance), 8);
  expect(await breachesOf(demo)).toEqual([]);
});
