/** An upstream that always answers the same, for tests that count: 12 tokens in, 5 out, as a whole or in six pieces. */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** 12 in, 5 out, gpt-4o-mini: 12 × 0.15 + 5 × 0.60 USD per million. */
export const steadyCostNanoUsd = 4_800n;

export type SteadyUpstream = {
  url: string;
  /** The id of each answer that was begun. */
  served: readonly string[];
  stop(): void;
};

/** It waits `waitMs` before each answer, and `pieceMs` between the pieces of a stream. */
export async function startSteadyUpstream({ waitMs = 10, pieceMs = 5 } = {}): Promise<SteadyUpstream> {
  const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
  const served: string[] = [];
  const server = createServer((req, res) => {
    let body = "";
    req.on("data", (text: Buffer) => (body += text.toString()));
    req.on("end", () => {
      void (async () => {
        await sleep(waitMs);
        const id = randomUUID();
        served.push(id);
        if (!body.includes('"stream":true')) {
          res.writeHead(200, { "content-type": "application/json" });
          res.end(JSON.stringify({ id, choices: [{ message: { content: "one two three four five" } }], usage }));
          return;
        }
        res.writeHead(200, { "content-type": "text/event-stream" });
        const send = (chunk: object) => res.write(`data: ${JSON.stringify(chunk)}\n\n`);
        if (req.url?.endsWith("/responses")) {
          const completed = { type: "response.completed", response: { id, status: "completed", usage } };
          send({ type: "response.created", response: { id: completed.response.id, status: "in_progress" } });
          send({ type: "response.output_text.delta", delta: "one two three four five" });
          send(completed);
          res.end();
          return;
        }
        for (const content of ["one ", "two ", "three ", "four ", "five"]) {
          send({ id, choices: [{ index: 0, delta: { content } }] });
          await sleep(pieceMs);
        }
        send({ id, choices: [], usage });
        res.end("data: [DONE]\n\n");
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
