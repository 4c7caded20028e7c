/** Forms of a stranger that are far too large, with their length said beforehand and without. */
import { request } from "node:http";
import { nth, outcomeOf, repeat, type Attack, type Round } from "./attack.ts";
import { addressOf, send } from "./send.ts";

const everyMs = 3_000;
const atOnce = 3;
const formBytes = 25 * 1024 * 1024;
const chunkedBytes = 200 * 1024 * 1024;
const pieceBytes = 256 * 1024;

const kinds: { path: string; type: string; fill: string }[] = [
  { path: "/login", type: "application/x-www-form-urlencoded", fill: "a=b&" },
  { path: "/login", type: "application/x-www-form-urlencoded", fill: "%25%26" },
  {
    path: "/register",
    type: "multipart/form-data; boundary=x",
    fill: '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n',
  },
  { path: "/api/trpc/auth.login", type: "application/json", fill: '{"email":' },
  { path: "/api/auth/token", type: "application/json", fill: "[" },
  { path: "/setup", type: "application/x-www-form-urlencoded", fill: "x" },
];

/** As much as is taken, up to `chunkedBytes`, without a word of how much it will be. */
function pourForm(url: string, headers: Record<string, string>, from: number, { signal }: Round): Promise<string> {
  return new Promise((resolve) => {
    const piece = Buffer.alloc(pieceBytes, "a=b&");
    const sent = request(url, { method: "POST", headers, agent: false, localAddress: addressOf(from), signal });
    const finish = (outcome: string) => {
      resolve(outcome);
      sent.destroy();
    };
    sent.on("error", (error) => finish(outcomeOf(error)));
    sent.on("response", ({ statusCode }) => finish(String(statusCode)));
    let left = chunkedBytes;
    const pour = () => {
      while (left > 0 && !sent.destroyed) {
        left -= piece.length;
        if (!sent.write(piece)) return;
      }
      sent.end();
    };
    sent.on("drain", pour);
    pour();
  });
}

export const bigForms: Attack = {
  name: "big forms",
  run: ({ web }, _user, round) =>
    repeat(round, { everyMs, atOnce }, (turn) => {
      const { path, type, fill } = nth(kinds, turn);
      const headers = { "content-type": type, origin: web };
      if (turn % 2 === 1) return pourForm(web + path, headers, turn, round);
      return send(web + path, { headers, body: Buffer.alloc(formBytes, fill), from: turn, signal: round.signal });
    }),
};
