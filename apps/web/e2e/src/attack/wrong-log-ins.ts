/** Strangers guess at somebody's password, and at those of people who do not exist, from all of their addresses. */
import { repeat, type Attack } from "./attack.ts";
import { mutate } from "./send.ts";

const everyMs = 100;
const atOnce = 20;

export const wrongLogIns: Attack = {
  name: "wrong log-ins",
  run: ({ web, victimEmail }, _user, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const email = turn % 2 === 0 ? victimEmail : `nobody-${turn}@example.com`;
      const procedure = turn % 3 === 2 ? "auth.token" : "auth.login";
      return mutate(web, procedure, { email, password: `guess number ${turn}` }, { from: turn, signal: round.signal });
    }),
};
