/** Models that the operator's account may not use, that are out of quota, that fail, or that hang up: nobody else's. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const everyMs = 100;
const atOnce = 16;
const failures = [
  { script: "model-not-found", model: "gpt-4.1-nano" },
  { script: "too-many", model: "gpt-4.1-mini" },
  { script: "fails", model: "gpt-4.1" },
  { script: "resets", model: "gpt-4o" },
];

export const failingModels: Attack = {
  name: "failing models",
  run: ({ api }, { apiKey }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const { script, model } = nth(failures, turn);
      const body = scripted(script, { model, isStream: turn % 2 === 0 });
      return callApi(api, "/chat/completions", apiKey, { body, from: turn, signal: round.signal });
    }),
};
