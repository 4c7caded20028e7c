/** Bodies of one key that are promised, begun, and never finished. */
import { connect } from "node:net";
import { pause, type Attack } from "./attack.ts";
import { addressOf } from "./send.ts";

const everyMs = 100;
const maxSockets = 200;
const promisedBytes = 10 * 1024 * 1024;
const sentBytes = 9 * 1024 * 1024;

export const halfBodies: Attack = {
  name: "half bodies",
  run: async ({ api }, { apiKey }, round) => {
    const half = Buffer.alloc(sentBytes, "x");
    const head = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: gateway",
      `authorization: Bearer ${apiKey}`,
      "content-type: application/json",
      `content-length: ${promisedBytes}`,
      "\r\n",
    ].join("\r\n");
    for (let n = 0; n < maxSockets && !round.signal.aborted; n++) {
      const socket = connect({ port: Number(new URL(api).port), host: "127.0.0.1", localAddress: addressOf(n) });
      socket.on("error", () => undefined);
      socket.once("data", (answer: Buffer) => round.note(answer.toString("latin1", 9, 12)));
      socket.once("close", () => round.note("closed"));
      socket.write(head);
      socket.write(half);
      round.note("begun");
      await pause(everyMs, round.signal);
    }
    await pause(round.seconds * 1_000, round.signal);
  },
};
