import { afterEach, expect, test } from "vitest";
import { chatEvents, sendEvents, startScripted, type Scripted } from "../testing/scripted.ts";
import { defaultTimeouts, type UpstreamTimeouts } from "./upstream-client.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

type Script = Parameters<typeof startScripted>[0];

/** What an admin has set is read for each call. */
async function start(script: Script) {
  let timeouts = defaultTimeouts;
  const upstreamPolicy = () => ({ timeouts, allowsPrivateAddresses: true });
  running = await startScripted(script, {}, { upstreamPolicy });
  const set = (changed: Partial<UpstreamTimeouts>) => (timeouts = { ...timeouts, ...changed });
  return { up: running, set };
}

const post = ({ url }: Scripted, isStream: boolean) =>
  fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good" },
    body: JSON.stringify({ model: "m", stream: isStream }),
  });

test("a stream that is longer than the whole call may take ends with an error, and pays for what came", async () => {
  const { up, set } = await start((res) => sendEvents(res, chatEvents(Array<string>(200).fill("x ")), { everyMs: 20 }));
  set({ totalMs: 300 });
  const response = await post(up, true);
  let text = "";
  await expect(async () => {
    for await (const chunk of response.body!) text += Buffer.from(chunk as Uint8Array).toString();
  }).rejects.toThrow();
  expect(text).toContain('"code":"upstream_failed"');
  expect(text).not.toContain("[DONE]");
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed", flags: ["broke_off"] }]);
});

test("an answer that does not begin in time is a 504 and costs nothing", async () => {
  const { up, set } = await start(() => undefined);
  set({ totalMs: 200 });
  expect((await post(up, false)).status).toBe(504);
  set({ totalMs: 60_000, streamHeadersMs: 200 });
  expect((await post(up, true)).status).toBe(504);
  expect(up.settlements).toMatchObject([
    { outcome: "released", reason: "timeout" },
    { outcome: "released", reason: "timeout" },
  ]);
}, 15_000);

test("a stream that is silent for too long between two bytes breaks off", async () => {
  const { up, set } = await start((res) =>
    res.writeHead(200, { "content-type": "text/event-stream" }).write(chatEvents(["one"])[0]!),
  );
  set({ idleMs: 200 });
  await expect(post(up, true).then((response) => response.text())).rejects.toThrow();
  expect(up.settlements).toMatchObject([{ outcome: "captured", basis: "observed" }]);
}, 15_000);
