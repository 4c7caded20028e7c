/** An upstream whose answers never end by themselves, for tests of clients that leave or do not read. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** `silent`: no answer; `trickle`: a word every 20 ms; `pause`: two words, then nothing; `whole`: JSON after 500 ms; `flood`: as fast as it is read. */
export type Manner = "silent" | "trickle" | "pause" | "whole" | "flood";

export type LeakyUpstream = {
  url: string;
  /** When each call, named by its prompt, came in and when its connection closed. */
  calls: Map<string, { startedAtMs: number; closedAtMs: number | null; sentBytes: number }>;
  stop(): void;
};

const wholeMs = 500;
const trickleMs = 20;
const floodPieceChars = 60_000;

const eventOf = (content: string) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content } }] })}\n\n`;

/** The prompt of a call is `<manner> <name>`. */
export async function startLeakyUpstream(): Promise<LeakyUpstream> {
  const calls: LeakyUpstream["calls"] = new Map();
  const server = createServer((req, res) => {
    let body = "";
    req.on("data", (text: Buffer) => (body += text.toString()));
    req.on("end", () => {
      const prompt = (JSON.parse(body) as { messages: { content: string }[] }).messages[0]?.content ?? "";
      const call = { startedAtMs: Date.now(), closedAtMs: null as number | null, sentBytes: 0 };
      calls.set(prompt, call);
      const [manner] = prompt.split(" ") as [Manner];
      res.once("close", () => {
        call.closedAtMs = Date.now();
        clearInterval(words);
      });
      const send = (content: string) => {
        const event = eventOf(content);
        call.sentBytes += event.length;
        return res.write(event);
      };
      let words: NodeJS.Timeout | undefined;
      if (manner === "whole") {
        const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
        setTimeout(() => {
          res.writeHead(200, { "content-type": "application/json" });
          res.end(JSON.stringify({ id: "c", choices: [{ message: { content: "one two three four five" } }], usage }));
        }, wholeMs);
      } else if (manner !== "silent") {
        res.writeHead(200, { "content-type": "text/event-stream" });
        send("one");
        if (manner === "pause") send(" two");
        else if (manner === "trickle") words = setInterval(() => send(" more"), trickleMs);
        else {
          const flood = () => {
            while (!res.destroyed) {
              if (send("x".repeat(floodPieceChars))) continue;
              res.once("drain", flood);
              return;
            }
          };
          flood();
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
