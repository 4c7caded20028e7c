import { afterEach, expect, test } from "vitest";
import type { Idempotency } from "./ports.ts";
import { chatEvents, sendEvents, sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
let steps: string[] = [];
afterEach(async () => {
  await running?.stop();
  running = null;
  steps = [];
});

type Claim = Awaited<ReturnType<Idempotency["claim"]>>;
const answer = { id: "chatcmpl-1", choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } };

/** A gateway whose names are all in the given state, and that notes what happens in which order. */
async function start(claim: Claim, ports: Parameters<typeof startScripted>[1] = {}): Promise<Scripted> {
  running = await startScripted(
    (res, req) => {
      if (req.headers.accept === "text/event-stream") sendEvents(res, chatEvents(["a"]));
      else sendJson(res, answer);
    },
    {
      idempotency: {
        claim: ({ key }) => Promise.resolve(claim).finally(() => steps.push(`claim ${key}`)),
        keep: ({ status, body }) => Promise.resolve(void steps.push(`keep ${status} ${Buffer.from(body).toString()}`)),
        giveUp: ({ key }) => Promise.resolve(void steps.push(`give up ${key}`)),
      },
      settle: ({ outcome }) => Promise.resolve(void steps.push(outcome)),
      ...ports,
    },
  );
  return running;
}

const call = ({ url }: Scripted, headers: Record<string, string> = { "idempotency-key": "mine" }, isStream = false) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", ...(isStream ? { accept: "text/event-stream" } : {}), ...headers },
    body: JSON.stringify({ model: "m", stream: isStream }),
  });
const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string | null } }).error.code;

test("the first call of a name is asked for, and its answer is kept before it is charged", async () => {
  const response = await call(await start({ outcome: "claimed" }));
  expect(await response.json()).toEqual(answer);
  expect(steps).toEqual(["claim mine", `keep 200 ${JSON.stringify(answer)}`, "captured"]);
});

test("a call without the header claims nothing and keeps nothing", async () => {
  await (await call(await start({ outcome: "claimed" }), {})).json();
  expect(steps).toEqual(["captured"]);
});

test("the same call again gets the kept answer under the first one's request id, and asks nobody", async () => {
  const kept = { outcome: "answered", holdId: "first", status: 200, contentType: "application/json" } as const;
  const up = await start({ ...kept, body: Buffer.from('{"id":"kept"}') });
  const response = await call(up);
  expect(await response.text()).toBe('{"id":"kept"}');
  expect(response.headers.get("x-request-id")).toBe("first");
  expect(response.headers.get("idempotent-replayed")).toBe("true");
  expect([up.bodies, up.holds]).toEqual([[], []]);
});

test.each([
  ["running", 409, "idempotency_key_in_use", null],
  ["other_body", 400, "idempotency_key_reused", "false"],
] as const)("a name whose call is %s is refused with %i before a hold", async (outcome, status, code, shouldRetry) => {
  const up = await start({ outcome });
  const response = await call(up);
  expect([response.status, await codeOf(response)]).toEqual([status, code]);
  expect(response.headers.get("x-should-retry")).toBe(shouldRetry);
  expect(response.headers.get("retry-after")).toBe(outcome === "running" ? "1" : null);
  expect(up.holds).toEqual([]);
});

test.each([
  ["died", /gateway stopped/],
  ["streamed", /streamed/],
  ["not_kept", /could not be kept/],
] as const)("a name whose call was charged without a kept answer (%s) says so, and whose it was", async (why, says) => {
  const up = await start({ outcome: "spent", holdId: "first", why });
  const response = await call(up);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  expect([response.status, error.code]).toEqual([409, "idempotency_key_spent"]);
  expect(response.headers.get("x-should-retry")).toBe("false");
  expect(error.message).toMatch(says);
  expect(error.message).toContain("first");
  expect(up.holds).toEqual([]);
});

test("a call that is refused a hold gives its name back", async () => {
  const refusing = { placeHold: () => Promise.resolve({ refused: "credit_balance_exhausted" as const }) };
  expect((await call(await start({ outcome: "claimed" }, refusing))).status).toBe(429);
  expect(steps).toEqual(["claim mine", "give up mine"]);
});

test("a stream is not kept", async () => {
  await (await call(await start({ outcome: "claimed" }), undefined, true)).text();
  expect(steps).toEqual(["claim mine", "captured"]);
});

test("a name that is none is refused before a hold", async () => {
  const up = await start({ outcome: "claimed" });
  for (const name of ["", "x".repeat(256), "ü"]) {
    expect((await call(up, { "idempotency-key": name })).status).toBe(400);
  }
  expect([steps, up.holds]).toEqual([[], []]);
});

test("where the answer cannot be kept, it is charged and answered all the same", async () => {
  const broken: Idempotency = {
    claim: () => Promise.resolve({ outcome: "claimed" }),
    keep: () => Promise.reject(new Error("no database")),
    giveUp: () => Promise.resolve(),
  };
  const up = await start({ outcome: "claimed" }, { idempotency: broken });
  expect((await call(up)).status).toBe(200);
  expect(steps).toEqual(["captured"]);
  expect(up.logged).toContainEqual(expect.objectContaining({ event: "idempotency_failed" }));
});
