/** Keys that nobody has: well formed, so that each has to be looked up, and plainly none. */
import { createHash, randomBytes } from "node:crypto";
import { repeat, type Attack } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const everyMs = 10;
const atOnce = 50;
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const toBase62 = (value: number, length: number): string => {
  let text = "";
  for (let rest = value; text.length < length; rest = Math.floor(rest / 62)) text = (alphabet[rest % 62] ?? "") + text;
  return text;
};

/** With the checksum that a gateway asks for before it asks its database. */
function wellFormedKey(): string {
  const body = Array.from(randomBytes(43), (byte) => alphabet[byte % 62]).join("");
  return `sk-cg-${body}${toBase62(createHash("sha256").update(body).digest().readUIntBE(0, 4), 6)}`;
}

export const wrongKeys: Attack = {
  name: "wrong keys",
  run: ({ api }, _user, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const key = turn % 4 === 0 ? "sk-no-key" : wellFormedKey();
      return callApi(api, "/chat/completions", key, { body: scripted("none"), from: turn, signal: round.signal });
    }),
};
