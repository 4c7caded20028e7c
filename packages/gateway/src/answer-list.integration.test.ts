import { afterEach, describe, expect, test } from "vitest";
import type { Ports } from "./ports.ts";
import { sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

/** Somebody's stored completions, of which the provider has lost some, and has some of others. */
async function start(count: number, { lost = [] as number[], broken = [] as number[], freeCallsPerMinute = 600 } = {}) {
  const ids = Array.from({ length: count }, (_, n) => `chatcmpl-${n}`);
  const asked: string[] = [];
  const list: Ports["resources"]["list"] = ({ after, order, limit }) => {
    const all = order === "asc" ? ids : ids.toReversed();
    if (after !== null && !all.includes(after)) return Promise.resolve(null);
    const from = after === null ? 0 : all.indexOf(after) + 1;
    return Promise.resolve(all.slice(from, from + limit).map((id) => ({ id, upstreamId: "upstream" })));
  };
  running = await startScripted(
    (res, req) => {
      const id = req.url!.split("/").at(-1)!;
      asked.push(req.url!);
      const n = Number(id.split("-")[1]);
      if (lost.includes(n)) sendJson(res, { error: { message: "gone" } }, 404);
      else if (broken.includes(n)) sendJson(res, { error: { message: "boom" } }, 500);
      else sendJson(res, { id, model: n % 2 ? "odd" : "even", metadata: { n: String(n % 3) } });
    },
    {
      resources: {
        locate: () => Promise.resolve({ upstreamId: null }),
        add: () => Promise.resolve(),
        remove: () => Promise.resolve(),
        list,
      },
    },
    { budgets: { freeCallsPerMinute } },
  );
  return { up: running, asked };
}

type Page = {
  object: string;
  data: { id: string }[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
};
const ask = ({ url }: Scripted, query = "") =>
  fetch(`${url}/chat/completions${query}`, { headers: { authorization: "Bearer sk-good" } });
const pageOf = async (up: Scripted, query = "") => (await (await ask(up, query)).json()) as Page;
const numbersOf = ({ data }: Page) => data.map(({ id }) => Number(id.split("-")[1]));

test("a page has the caller's own, in the order of their making, and says where the next one begins", async () => {
  const { up } = await start(25);
  const first = await pageOf(up);
  expect(numbersOf(first)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(first).toMatchObject({ object: "list", first_id: "chatcmpl-0", last_id: "chatcmpl-19", has_more: true });
  const second = await pageOf(up, `?after=${first.last_id}`);
  expect([numbersOf(second), second.has_more]).toEqual([[20, 21, 22, 23, 24], false]);
  expect(numbersOf(await pageOf(up, "?order=desc&limit=2"))).toEqual([24, 23]);
  expect([up.holds, up.settlements]).toEqual([[], []]);
});

test("what the provider has lost is left out; nobody has anything where nothing is", async () => {
  const { up } = await start(4, { lost: [1, 2] });
  expect(numbersOf(await pageOf(up))).toEqual([0, 3]);
  await up.stop();
  const none = await start(0);
  expect(await pageOf(none.up)).toEqual({ object: "list", data: [], first_id: null, last_id: null, has_more: false });
});

test("a page is filtered by model and metadata", async () => {
  const { up } = await start(12);
  expect(numbersOf(await pageOf(up, "?model=odd"))).toEqual([1, 3, 5, 7, 9, 11]);
  expect(numbersOf(await pageOf(up, "?metadata[n]=0&model=even"))).toEqual([0, 6]);
  expect(numbersOf(await pageOf(up, "?metadata[constructor]=0"))).toEqual([]);
});

test("where the provider does not say, there is no page that says that something is not there", async () => {
  const { up } = await start(3, { broken: [1] });
  const answer = await ask(up);
  expect(answer.status).toBe(502);
});

test("each of them counts against the free calls of a minute", async () => {
  const { up, asked } = await start(100, { freeCallsPerMinute: 11 });
  const page = await pageOf(up, "?limit=100");
  expect(numbersOf(page)).toHaveLength(10);
  expect(page.has_more).toBe(true);
  expect(asked).toHaveLength(10);
  expect((await ask(up)).status).toBe(429);
});

describe("bad input", () => {
  test.each(["?limit=0", "?limit=101", "?limit=1e3", "?limit=-1", "?limit=x", "?order=up"])(
    "%s is a 400",
    async (query) => {
      const { up, asked } = await start(3);
      const answer = await ask(up, query);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { type: "invalid_request_error" } });
      expect(asked).toEqual([]);
    },
  );

  test.each(["chatcmpl-of-another", "%00", "", "a%2Fb", "x".repeat(300)])("after=%s is a 404", async (after) => {
    const { up, asked } = await start(3);
    const answer = await ask(up, `?after=${after}`);
    expect(answer.status).toBe(404);
    expect(asked).toEqual([]);
  });
});
