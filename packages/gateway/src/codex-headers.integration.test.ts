import { afterEach, expect, test } from "vitest";
import { sendJson, startScripted, type Scripted } from "./testing/scripted.ts";

let running: Scripted | null = null;
afterEach(async () => {
  await running?.stop();
  running = null;
});

const status = {
  leftUsd: "4.37",
  hasLeft: true,
  windows: [{ usedPercent: 12.5, minutes: 1_440, resetsAtMs: 1_800_000_000_000 }],
};

async function ask(headers: Record<string, string>, ports: Parameters<typeof startScripted>[1] = {}) {
  running = await startScripted(
    (res) => {
      res.setHeader("x-codex-credits-balance", "1000");
      res.setHeader("x-codex-turn-state", "opaque");
      sendJson(res, { id: "resp_1", output: [], usage: { input_tokens: 1, output_tokens: 1 } });
    },
    { readStatus: () => Promise.resolve(status), ...ports },
  );
  return fetch(`${running.url}/responses`, {
    method: "POST",
    headers: { authorization: "Bearer sk-good", ...headers },
    body: '{"model":"m","input":"x"}',
  });
}
const codexHeadersOf = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith("x-codex-")));

test("Codex is told what its key has left, and nothing of what the operator has", async () => {
  expect(codexHeadersOf(await ask({ originator: "codex_cli_rs" }))).toEqual({
    "x-codex-turn-state": "opaque",
    "x-codex-credits-has-credits": "true",
    "x-codex-credits-unlimited": "false",
    "x-codex-credits-balance": "4.37",
    "x-codex-primary-used-percent": "12.5",
    "x-codex-primary-window-minutes": "1440",
    "x-codex-primary-reset-at": "1800000000",
  });
});

test("it is told so of a refusal too", async () => {
  const answer = await ask(
    { originator: "codex_exec" },
    { placeHold: () => Promise.resolve({ refused: "project_spend_limit_exceeded" }) },
  );
  expect(answer.status).toBe(429);
  expect(answer.headers.get("x-codex-primary-used-percent")).toBe("12.5");
});

test("other clients are not, and nobody asks for them", async () => {
  let asked = 0;
  const readStatus = () => {
    asked++;
    return Promise.resolve(status);
  };
  expect(codexHeadersOf(await ask({}, { readStatus }))).toEqual({ "x-codex-turn-state": "opaque" });
  expect(asked).toBe(0);
});
