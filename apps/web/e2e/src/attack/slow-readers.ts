/** Clients that ask for large streams at both ports and read nothing of them. */
import { request } from "node:http";
import { pause, type Attack } from "./attack.ts";
import { addressOf, scripted } from "./send.ts";

const everyMs = 500;
const maxReaders = 24;

export const slowReaders: Attack = {
  name: "slow readers",
  run: async ({ api, web }, { apiKey }, round) => {
    for (let n = 0; n < maxReaders && !round.signal.aborted; n++) {
      const base = n % 2 === 0 ? api : `${web}/v1`;
      const sent = request(`${base}/chat/completions`, {
        method: "POST",
        agent: false,
        headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
        localAddress: addressOf(n),
      });
      sent.on("error", () => undefined);
      sent.on("response", (response) => {
        round.note(String(response.statusCode));
        response.on("error", () => round.note("closed by the gateway")).pause();
      });
      sent.end(JSON.stringify(scripted("flood", { isStream: true })));
      await pause(everyMs, round.signal);
    }
    await pause(round.seconds * 1_000, round.signal);
  },
};
