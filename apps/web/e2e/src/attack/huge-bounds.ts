/** Requests whose most possible cost is beyond any wallet, and beyond what a database's integer holds. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi } from "./send.ts";

const everyMs = 1_000;
/** Of the same kind together: what each alone is not, their sum may be. */
const burst = 12;
const atOnce = 24;
const prompts = 10_461;
const choices = 128;
const outputTokens = 10_000_000;

const chat = (members: object) => ({
  path: "/chat/completions",
  body: { model: "gpt-4o-mini", messages: [{ role: "user", content: "script=none" }], ...members },
});

/** At the dearest model's price these come to more than 2^63, to just below it, and to parts of it. */
const completions = (promptCount: number) => ({
  path: "/completions",
  body: { model: "o1-pro", prompt: Array<string>(promptCount).fill(""), n: choices, max_tokens: outputTokens },
});

const requests: { path: string; body: object }[] = [
  ...[prompts, 6_000, 5_500, 3_000, 500].map(completions),
  chat({ max_completion_tokens: Number.MAX_SAFE_INTEGER, n: choices }),
  chat({ max_completion_tokens: 1e308 }),
  chat({ max_tokens: 2 ** 53, n: 2 ** 31 }),
  chat({ n: 1e18, max_tokens: 1e18 }),
  chat({ max_tokens: -1, n: -1 }),
  {
    path: "/responses",
    body: {
      model: "gpt-4.1",
      input: "script=none",
      max_output_tokens: 9e15,
      max_tool_calls: 9e15,
      tools: [{ type: "web_search" }],
    },
  },
];

export const hugeBounds: Attack = {
  name: "huge bounds",
  run: ({ api }, { apiKey }, round) =>
    repeat(round, { everyMs, atOnce, burst }, (turn) => {
      const { path, body } = nth(requests, Math.floor(turn / burst));
      return callApi(api, path, apiKey, { body, from: turn, signal: round.signal });
    }),
};
