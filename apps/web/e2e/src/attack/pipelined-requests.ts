/** Hundreds of requests on one connection, without waiting for an answer and without reading one. */
import { connect } from "node:net";
import { nth, pause, type Attack } from "./attack.ts";
import { addressOf } from "./send.ts";

const everyMs = 2_000;
const requests = 500;

export const pipelinedRequests: Attack = {
  name: "pipelined requests",
  run: async ({ web, api }, { apiKey }, round) => {
    const heads = [
      { url: web, head: "GET /login HTTP/1.1\r\nhost: gateway\r\n\r\n" },
      { url: api, head: `GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${apiKey}\r\n\r\n` },
    ];
    for (let turn = 0; !round.signal.aborted; turn++) {
      const { url, head } = nth(heads, turn);
      const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", localAddress: addressOf(turn) });
      socket.on("error", () => undefined);
      socket.once("close", () => round.note("closed by the gateway"));
      socket.pause().write(head.repeat(requests));
      round.note("sent");
      await pause(everyMs, round.signal);
    }
  },
};
