/** Eight streams at a time with prompts just short enough to be counted by a tokenizer, and no usage at their end. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const everyMs = 500;
const atOnce = 8;
const promptChars = 199_000;

export const longPrompts: Attack = {
  name: "long prompts",
  run: ({ api }, { apiKey }, round) => {
    const words = "Nobody stops anybody; a gateway has to count. ";
    const contents = [words, "字", "a", "🦊"].map((piece) => piece.repeat(promptChars / piece.length));
    return repeat(round, { everyMs, atOnce }, (turn) => {
      const body = scripted("slow", { content: nth(contents, turn), isStream: true });
      return callApi(api, "/chat/completions", apiKey, { body, from: turn, signal: round.signal });
    });
  },
};
