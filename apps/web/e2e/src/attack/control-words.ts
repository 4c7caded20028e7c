/** A tokenizer's control words are text: in prompts, in outputs of streams with and without usage, and whole. */
import { repeat, type Attack } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const everyMs = 500;
const atOnce = 16;
const content = "<|endoftext|> <|im_start|> <|fim_middle|> <|endofprompt|> <|reserved_200001|>";

export const controlWords: Attack = {
  name: "control words",
  run: ({ api }, { apiKey }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const script = turn % 3 === 2 ? "slow" : "control-words";
      const body = scripted(script, { content, isStream: turn % 3 !== 0 });
      return callApi(api, "/chat/completions", apiKey, { body, from: turn, signal: round.signal });
    }),
};
