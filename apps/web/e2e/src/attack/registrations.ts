/** Strangers register, redeem and ask for tokens: each costs the gateway a hash, a row or both. */
import { randomUUID } from "node:crypto";
import { repeat, type Attack } from "./attack.ts";
import { mutate } from "./send.ts";

const everyMs = 1_000;
const atOnce = 10;

export const registrations: Attack = {
  name: "registrations",
  run: ({ web }, { cookie }, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const { signal } = round;
      if (turn % 2 === 1) {
        return mutate(web, "dashboard.redeem", { code: "CG-AAAAA-AAAAA-AAAAA-AAAAA" }, { cookie, signal });
      }
      const stranger = { email: `${randomUUID()}@example.com`, password: "password-of-stranger" };
      return mutate(web, "auth.register", stranger, { from: turn, signal });
    }),
};
