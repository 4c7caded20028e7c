/** A signed-in user asks for many hashes at once: each change of a password checks the current one. */
import { repeat, type Attack } from "./attack.ts";
import { mutate } from "./send.ts";

const everyMs = 5_000;
const burst = 200;
const atOnce = 400;

export const changePassword: Attack = {
  name: "changes of a password",
  run: ({ web }, { cookie }, round) =>
    repeat(round, { everyMs, atOnce, burst }, (turn) => {
      const input = { currentPassword: `not the password ${turn}`, password: "another-password" };
      const isEmail = turn % 4 === 3;
      return isEmail
        ? mutate(
            web,
            "account.changeEmail",
            { email: "other@example.com", currentPassword: "wrong" },
            { cookie, from: turn, signal: round.signal },
          )
        : mutate(web, "account.changePassword", input, { cookie, from: turn, signal: round.signal });
    }),
};
