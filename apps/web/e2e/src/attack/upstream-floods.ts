/** Answers that a model, or what poses as one, makes as large as it likes: events without an end, wholes of any size. */
import { repeat, type Attack } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const everyMs = 2_000;
const atOnce = 4;

export const upstreamFloods: Attack = {
  name: "upstream floods",
  run: ({ api }, { apiKey }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const isStream = turn % 2 === 0;
      const body = scripted(isStream ? "endless-event" : "huge-answer", { isStream });
      return callApi(api, "/chat/completions", apiKey, { body, from: turn, signal: round.signal });
    }),
};
