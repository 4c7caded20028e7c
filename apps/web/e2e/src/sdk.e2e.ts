import { randomUUID } from "node:crypto";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPerson, startDemo, type RunningDemo } from "@codex-gateway/demo";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

let demo: RunningDemo;
beforeAll(async () => void (demo = await startDemo(anyPorts)));
afterAll(() => demo.stop());

const messages = [{ role: "user" as const, content: "Hello" }];
const model = "gpt-4o-mini"; // 0.15, cached 0.075, 0.60 USD per million

type Charge = {
  request_id: string;
  usage: Record<string, number>;
  cost_usd: string;
  basis: string;
  price_version: { usd_per_million: Record<string, string>; tier_ppm: string; markup_ppm: number };
};

async function get<Answer>(path: string): Promise<Answer> {
  const response = await fetch(demo.api + path, { headers: { authorization: `Bearer ${demo.apiKey}` } });
  return (await response.json()) as Answer;
}
const lastCharge = async () => (await get<{ data: Charge[] }>("/charges?limit=1")).data[0]!;

/** Of a new user, who has nothing. */
async function withoutMoney(baseURL: string): Promise<OpenAI> {
  const person = createPerson(demo.web);
  await person.api.auth.register.mutate({ email: `${randomUUID()}@example.com`, password: "password-of-test" });
  return new OpenAI({ apiKey: (await person.api.keys.create.mutate({ name: "poor" })).secret, baseURL, maxRetries: 0 });
}

const nanoOf = (usd: string) => BigInt(usd.replace(".", ""));

/** Redone from what the charge itself says: units × USD per million, tier and markup, rounded half up to nano-USD. */
function recomputed({ usage, price_version: { usd_per_million, tier_ppm, markup_ppm } }: Charge): bigint {
  const sum = Object.entries(usage).reduce(
    (total, [unitClass, units]) =>
      total + BigInt(units) * (units === 0 ? 0n : nanoOf(usd_per_million[unitClass] ?? usd_per_million.input!)),
    0n,
  );
  const divisor = 1_000_000n * 1_000_000n * 1_000_000n;
  return (sum * BigInt(tier_ppm) * BigInt(markup_ppm) + divisor / 2n) / divisor;
}

describe.each(["the API's port", "the Remix route"])("the official SDK through %s", (door) => {
  const sdk = () =>
    new OpenAI({
      apiKey: demo.apiKey,
      baseURL: door === "the Remix route" ? `${demo.web}/v1` : demo.api,
      maxRetries: 0,
    });

  async function expectCharge(cost: string, usage: Record<string, number>) {
    const charge = await lastCharge();
    expect(charge).toMatchObject({ cost_usd: cost, basis: "exact", usage });
    expect(recomputed(charge)).toBe(nanoOf(cost));
  }
  const canned = { input: 8, cached_input: 4, output: 5 };

  test("chat", async () => {
    const answer = await sdk().chat.completions.create({ model, messages });
    expect(answer.choices[0]?.message.content).toBe("Hello from the fake model.");
    await expectCharge("0.000004500", canned);
    expect((await lastCharge()).request_id).toBe(answer._request_id);
  });

  test.each([false, true])("a chat stream, include_usage %s", async (include_usage) => {
    const stream = await sdk().chat.completions.create({
      model,
      messages,
      stream: true,
      ...(include_usage ? { stream_options: { include_usage } } : {}),
    });
    let text = "";
    let usageChunks = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      if (chunk.usage) usageChunks++;
    }
    expect([text, usageChunks]).toEqual(["Hello from the fake model.", include_usage ? 1 : 0]);
    await expectCharge("0.000004500", canned);
  });

  test("a chat with a tool call", async () => {
    demo.fake.script.next = {
      message: {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Rome"}' } },
        ],
      },
      usage: { prompt_tokens: 20, completion_tokens: 7, total_tokens: 27 },
    };
    const answer = await sdk().chat.completions.create({
      model,
      messages: [{ role: "user", content: "weather" }],
      tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
    });
    expect(answer.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { arguments: '{"city":"Rome"}' } });
    await expectCharge("0.000007200", { input: 20, output: 7 });
  });

  test("a response", async () => {
    const answer = await sdk().responses.create({ model, input: "Hello" });
    expect(answer.output_text).toBe("Hello from the fake model.");
    await expectCharge("0.000004500", canned);
  });

  test("a streamed response", async () => {
    const types: string[] = [];
    for await (const event of await sdk().responses.create({ model, input: "Hello", stream: true }))
      types.push(event.type);
    expect(types.at(-1)).toBe("response.completed");
    await expectCharge("0.000004500", canned);
  });

  test.each(["float", undefined] as const)("embeddings, encoding_format %s", async (encoding_format) => {
    const answer = await sdk().embeddings.create({
      model: "text-embedding-3-small",
      input: "Hello",
      ...(encoding_format ? { encoding_format } : {}),
    });
    // Without a word the SDK asks for base64, whose numbers have four bytes.
    expect(answer.data[0]?.embedding.map((number) => Number(number.toFixed(6)))).toEqual([0.1, 0.2, 0.3]);
    const charge = await lastCharge();
    // The stand-in states an input of zero, which no request has: it is counted.
    expect(answer.usage.prompt_tokens).toBe(0);
    expect(charge.usage.input).toBeGreaterThan(0);
    expect(charge.usage.input).toBeLessThan(8);
    expect(recomputed(charge)).toBe(nanoOf(charge.cost_usd));
  });

  test("a call with an Idempotency-Key sent again gets the same answer and is charged once", async () => {
    const send = (content: string) =>
      sdk().chat.completions.create(
        { model, messages: [{ role: "user", content }] },
        { headers: { "Idempotency-Key": `named for ${door}` } },
      );
    const servedBefore = demo.fake.served.length;
    const first = await send("Hello");
    const charge = await lastCharge();
    const second = await send("Hello");
    expect([second.id, second._request_id]).toEqual([first.id, first._request_id]);
    expect(demo.fake.served.length - servedBefore).toBe(1);
    expect(await lastCharge()).toEqual(charge);
    await expect(send("Something else")).rejects.toMatchObject({ status: 400, code: "idempotency_key_reused" });
  });

  test("models", async () => {
    const ids = (await sdk().models.list()).data.map(({ id }) => id);
    expect(ids).toContain(model);
    expect((await sdk().models.retrieve(model)).id).toBe(model);
    await expect(sdk().models.retrieve("none")).rejects.toThrow(OpenAI.NotFoundError);
  });

  test("bodies reach both ends as they were sent", async () => {
    const body = `{"model":"${model}","messages":[{"role":"user","content":"Hello"}],  "seed":12345678901234567890,"safety_identifier":"mine"}`;
    const response = await fetch(`${sdk().baseURL}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${demo.apiKey}` },
      body,
    });
    const text = await response.text();
    const seen = demo.fake.served.at(-1)!;
    // No maximum of output is known for the model, so the cap that the hold covers is put first.
    expect(seen.requestBody.replace(/^\{"max_completion_tokens":\d+,/, "{")).toBe(body);
    expect(text).toBe(seen.responseBody);
  });

  test("a cap beyond the balance is lowered to what it affords, and said, to the client and in the charge", async () => {
    const { data, response } = await sdk()
      .chat.completions.create({ model, messages, max_completion_tokens: 9_000_000 })
      .withResponse();
    expect(data.choices).toHaveLength(1);
    const cap = Number(response.headers.get("x-codex-gateway-output-cap"));
    expect(cap).toBeGreaterThan(16);
    expect(cap).toBeLessThan(9_000_000);
    expect(demo.fake.served.at(-1)!.requestBody).toContain(`"max_completion_tokens":${cap}`);
    const charge = await get<Charge & { output_cap: number }>(`/charges/${response.headers.get("x-request-id")}`);
    expect(charge.output_cap).toBe(cap);
  });

  test("an error of each kind is the right exception", async () => {
    const stranger = new OpenAI({ apiKey: "sk-cg-wrong", baseURL: sdk().baseURL, maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(sdk().chat.completions.create({ model: "no-such-model", messages })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
      param: "model",
      message: expect.stringContaining("no-such-model") as string,
    });
    await expect(
      withoutMoney(sdk().baseURL).then((poor) => poor.chat.completions.create({ model, messages })),
    ).rejects.toMatchObject({ status: 429, type: "insufficient_quota", code: "credit_balance_exhausted" });
    const { failures } = demo.fake.script;
    failures.push({ status: 400, error: { message: "bad", type: "invalid_request_error" } });
    await expect(sdk().chat.completions.create({ model, messages })).rejects.toThrow(OpenAI.BadRequestError);
    failures.push({ status: 429, error: { message: "slow down", type: "rate_limit_exceeded" } });
    await expect(sdk().chat.completions.create({ model, messages })).rejects.toThrow(OpenAI.RateLimitError);
    failures.push({ status: 500, error: { message: "boom", type: "server_error" } });
    await expect(sdk().chat.completions.create({ model, messages })).rejects.toThrow(OpenAI.InternalServerError);
  });
});

test("what was asked of the upstream and is in no charge is written down", async () => {
  const statusOf = async () => {
    const attempts = await withDatabase(demo, (db) => db.prisma.attempt.findMany());
    return attempts.map(({ status, maybeBilled }) => `${status} ${maybeBilled}`).toSorted();
  };
  const perDoor = ["400 false", "429 false", "500 true"];
  await expect.poll(statusOf).toEqual([...perDoor, ...perDoor].toSorted());
});

test("a page of charges leads to the next one, and a stranger's charge is not found", async () => {
  const first = await get<{ data: Charge[]; has_more: boolean }>("/charges?limit=3");
  const second = await get<{ data: Charge[] }>(`/charges?limit=3&after=${first.data[2]!.request_id}`);
  expect(first.has_more).toBe(true);
  expect(new Set([...first.data, ...second.data].map((charge) => charge.request_id)).size).toBe(6);
  const single = await get<Charge>(`/charges/${first.data[0]!.request_id}`);
  expect(single).toEqual(first.data[0]);
  const { secret } = await demo.ownerSession.api.keys.create.mutate({ name: "owner's" });
  const response = await fetch(`${demo.api}/charges/${first.data[0]!.request_id}`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  expect(response.status).toBe(404);
});

test("credits are what the charges leave, and the books are sound", async () => {
  const credits = await get<{ balance_usd: string; held_usd: string; spent_today_usd: string }>("/credits");
  expect(nanoOf(credits.balance_usd) + nanoOf(credits.spent_today_usd)).toBe(5_000_000_000n);
  expect(credits.held_usd).toBe("0.000000000");
  expect(await breachesOf(demo)).toEqual([]);
});
