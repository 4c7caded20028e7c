/** An upstream whose streams are long: 10 tokens in and so many out, word by word, in events of 40 words. */
import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export const longOutputTokens = 12_000;
/** 10 in, 12 000 out, gpt-4o-mini: × 0.15 and 0.60 USD per million. */
export const longCostNanoUsd = 1_500n + 7_200_000n;

export type LongUpstream = {
  url: string;
  /** The id of each answer that was begun. */
  served: readonly string[];
  /** Of these, those whose connection was closed before their end. */
  cut: readonly string[];
  stop(): void;
};

const wordsPerEvent = 40;

export async function startLongUpstream({ eventMs = 3 } = {}): Promise<LongUpstream> {
  const served: string[] = [];
  const cut: string[] = [];

  async function answer(res: ServerResponse): Promise<void> {
    const id = randomUUID();
    served.push(id);
    res.once("close", () => {
      if (!res.writableFinished) cut.push(id);
    });
    res.writeHead(200, { "content-type": "text/event-stream" });
    const send = (chunk: object) => res.write(`data: ${JSON.stringify(chunk)}\n\n`);
    const content = "word ".repeat(wordsPerEvent);
    for (let sent = 0; sent < longOutputTokens && !res.destroyed; sent += wordsPerEvent) {
      send({ id, choices: [{ index: 0, delta: { content } }] });
      await sleep(eventMs);
    }
    send({
      id,
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: longOutputTokens, total_tokens: 10 + longOutputTokens },
    });
    res.end("data: [DONE]\n\n");
  }

  const server = createServer((req, res) => {
    req.resume();
    req.once("end", () => {
      answer(res).catch((error: unknown) => res.destroy(error as Error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served,
    cut,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
