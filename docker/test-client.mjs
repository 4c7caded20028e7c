// For docker/test.sh: a browser and an OpenAI client, as far as it needs them. Each command prints its result, or fails.
//   setup LINK UPSTREAM_URL    completes the wizard as its form does; prints a key with $1000
//   call API_URL KEY           one metered call as JSON and one as a stream
//   credits API_URL KEY        balance and spending
//   load API_URL KEY SECONDS   8 clients without a pause; prints what came of it, as JSON
import { randomUUID } from "node:crypto";
import { URLSearchParams } from "node:url";

const commands = { setup, call, credits, load };
const [name, ...args] = process.argv.slice(2);
console.log(await commands[name](...args));

async function setup(link, upstreamUrl) {
  const { origin, searchParams } = new URL(link);
  const form = new URLSearchParams({
    intent: "complete",
    token: searchParams.get("token"),
    email: "owner@example.com",
    password: "password-of-owner",
    confirm: "password-of-owner",
    baseUrl: upstreamUrl,
    apiKey: "sk-upstream-key",
    isPrivateAllowed: "on",
    announcement: "",
    defaultBalanceUsd: "0",
  });
  const done = await fetch(`${origin}/setup`, { method: "POST", headers: { origin }, body: form, redirect: "manual" });
  if (done.headers.get("location") !== "/admin") throw new Error(`The wizard answers ${done.status}.`);
  const cookie = done.headers.getSetCookie()[0].split(";")[0];
  const ask = async (procedure, input) => {
    const init = input && { method: "POST", body: JSON.stringify(input) };
    const headers = { cookie, origin, "content-type": "application/json" };
    const response = await fetch(`${origin}/api/trpc/${procedure}`, { ...init, headers });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${procedure}: ${JSON.stringify(answer.error)}`);
    return answer.result.data;
  };
  const { id: userId } = await ask("auth.me");
  const credit = { userId, amountUsd: "1000", isPaid: true, note: "", formId: randomUUID() };
  await ask("admin.users.adjustBalance", credit);
  return (await ask("keys.create", { name: "test" })).secret;
}

function post(api, key, isStream) {
  const messages = [{ role: "user", content: "Hello" }];
  return fetch(`${api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: isStream, messages }),
  });
}

/** Throws where the answer is not whole. */
async function readWhole(response, isStream) {
  const text = await response.text();
  const isWhole = isStream ? text.endsWith("data: [DONE]\n\n") : text.trim().endsWith("}");
  if (response.status !== 200 || !isWhole) throw new Error(`${response.status} ${text.slice(-200)}`);
}

async function call(api, key) {
  for (const isStream of [false, true]) await readWhole(await post(api, key, isStream), isStream);
  return "2 calls answered";
}

async function credits(api, key) {
  const response = await fetch(`${api}/credits`, { headers: { authorization: `Bearer ${key}` } });
  if (!response.ok) throw new Error(`/v1/credits answers ${response.status}.`);
  return response.text();
}

async function load(api, key, seconds) {
  const untilMs = Date.now() + seconds * 1_000;
  const faults = {};
  let answered = 0;
  const client = async (n) => {
    for (let turn = n; Date.now() < untilMs; turn++) {
      try {
        await readWhole(await post(api, key, turn % 2 === 0), turn % 2 === 0);
        answered++;
      } catch (error) {
        const fault = `${error.message} ${error.cause?.code ?? ""}`.trim().slice(0, 120);
        faults[fault] = (faults[fault] ?? 0) + 1;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, n) => client(n)));
  const failed = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return JSON.stringify({ answered, failed, faults });
}
