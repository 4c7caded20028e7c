/** Bodies that look like JSON to a scan and are none, or none that a tokenizer or a log can take. */
import { nth, repeat, type Attack } from "./attack.ts";
import { callApi } from "./send.ts";

const everyMs = 250;
const atOnce = 8;

const contents = [
  String.raw`"\q"`,
  String.raw`"\u12"`,
  String.raw`"\uD800"`,
  String.raw`"\uDC00\uD800"`,
  String.raw`"\u0000"`,
  `"\u0001"`,
  "{",
  "01",
  "NaN",
  '["a",]',
  '"a" "b"',
  '"unfinished',
];

export const invalidJson: Attack = {
  name: "invalid JSON",
  run: ({ api }, { apiKey }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const content = nth(contents, turn);
      // A silent upstream for more than one checkpoint, so that what is estimated meanwhile is this body.
      const body = `{"model":"gpt-4o-mini","stream":true,"user":"script=slow","messages":[{"role":"user","content":${content}}]}`;
      return callApi(api, "/chat/completions", apiKey, { body, from: turn, signal: round.signal });
    }),
};
