/** Days that a calendar has and a Date or a database has not: on keys, which admins look at, and in addresses of pages. */
import { nth, repeat, type Attack } from "./attack.ts";
import { mutate, send } from "./send.ts";

const everyMs = 1_000;
const atOnce = 4;
const days = ["0000-01-01", "0001-01-01", "9999-12-31", "275760-09-14", "-271821-04-19", "2024-02-30", "1e9-01-01"];

export const oddDates: Attack = {
  name: "odd dates",
  run: ({ web }, { cookie }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const day = nth(days, turn);
      const { signal } = round;
      if (turn % 2 === 0) return mutate(web, "keys.create", { name: "odd", lastDay: day }, { cookie, signal });
      const page = turn % 4 === 1 ? "usage" : "usage.csv";
      return send(`${web}/${page}?from=${day}&to=${day}&page=${"9".repeat(turn % 20)}`, {
        method: "GET",
        headers: { cookie },
        signal,
      });
    }),
};
