/**
 * The upstream of an attacked gateway, a process of its own. It answers 12 tokens in, 5 out, whole or as a stream, unless
 * the prompt names a script: what models, providers and the networks between really do now and then.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Read of each body, however long it is. */
const headBytes = 2_048;
const waitMs = 10;
const pieceMs = 5;
const wordMs = 100;
const slowWords = 60;
const floodPieceBytes = 64 * 1_024;
const floodBytes = 64 * 1024 * 1024;
const endlessEventBytes = 12 * 1024 * 1024;
const hugeAnswerBytes = 40 * 1024 * 1024;

const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
const controlWords = "<|endoftext|> <|im_start|>system<|im_end|> <|endofprompt|> <|fim_prefix|><|start|><|channel|>";
let served = 0;
const nextId = () => `chatcmpl-${process.pid}-${served++}`;

const eventOf = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;
const wordOf = (content: string): string =>
  eventOf({ id: "chatcmpl-attack", choices: [{ index: 0, delta: { content } }] });

type Script = (res: ServerResponse, isStream: boolean) => void | Promise<void>;

function refuse(status: number, code: string): Script {
  return (res) => {
    res.writeHead(status, { "content-type": "application/json", "retry-after": "1" });
    res.end(JSON.stringify({ error: { message: "No.", type: "invalid_request_error", param: null, code } }));
  };
}

/** Words without usage, for longer than a stream may go without a checkpoint. */
async function speak(res: ServerResponse, word: string): Promise<void> {
  for (let n = 0; n < slowWords && !res.destroyed; n++) {
    res.write(wordOf(word));
    await sleep(wordMs);
  }
  res.end("data: [DONE]\n\n");
}

/** So many bytes, as fast as they are read. */
async function pour(res: ServerResponse, bytes: number, piece: Buffer): Promise<void> {
  for (let sent = 0; sent < bytes && !res.destroyed; sent += piece.length) {
    if (res.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const resume = () => {
        res.off("drain", resume).off("close", resume);
        resolve();
      };
      res.on("drain", resume).on("close", resume);
    });
  }
}

const whole = (res: ServerResponse, content: string, rest: object = { usage }) => {
  res.writeHead(200, { "content-type": "application/json" });
  res.end(JSON.stringify({ id: nextId(), choices: [{ message: { content } }], ...rest }));
};
const openStream = (res: ServerResponse) => res.writeHead(200, { "content-type": "text/event-stream" });
const filler = Buffer.alloc(floodPieceBytes, "x");

const scripts: Readonly<Record<string, Script | undefined>> = {
  "model-not-found": refuse(403, "model_not_found"),
  "too-many": refuse(429, "rate_limit_exceeded"),
  // No 500: the gateway passes a provider's own status on, and each 500 of an attack is one of ours.
  fails: refuse(502, "server_error"),
  resets: (res) => void res.destroy(),
  "control-words": async (res, isStream) => {
    if (!isStream) {
      whole(res, controlWords, {});
      return;
    }
    openStream(res);
    await speak(res, controlWords);
  },
  slow: async (res) => {
    openStream(res);
    await speak(res, "word ");
  },
  flood: async (res) => {
    openStream(res);
    await pour(res, floodBytes, Buffer.from(wordOf("x".repeat(floodPieceBytes))));
    res.end("data: [DONE]\n\n");
  },
  "endless-event": async (res) => {
    openStream(res).write("data: ");
    await pour(res, endlessEventBytes, filler);
    await sleep(slowWords * wordMs);
    res.destroy();
  },
  "huge-answer": async (res) => {
    res.writeHead(200, { "content-type": "application/json" });
    res.write(`{"id":"${nextId()}","usage":${JSON.stringify(usage)},"choices":[{"message":{"content":"`);
    await pour(res, hugeAnswerBytes, filler);
    res.end('"}}]}');
  },
};

async function answerSteadily(res: ServerResponse, isStream: boolean): Promise<void> {
  await sleep(waitMs);
  if (!isStream) {
    whole(res, "one two three four five");
    return;
  }
  openStream(res);
  const id = nextId();
  for (const content of ["one ", "two ", "three ", "four ", "five"]) {
    res.write(eventOf({ id, choices: [{ index: 0, delta: { content } }] }));
    await sleep(pieceMs);
  }
  res.end(`${eventOf({ id, choices: [], usage })}data: [DONE]\n\n`);
}

const server = createServer((req, res) => {
  let head = "";
  req.on("data", (chunk: Buffer) => {
    if (head.length < headBytes) head += chunk.toString("latin1", 0, headBytes);
  });
  req.on("end", () => {
    const script = scripts[/script=([a-z-]+)/.exec(head)?.[1] ?? ""] ?? answerSteadily;
    Promise.resolve(script(res, head.includes('"stream":true'))).catch(() => res.destroy());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`PORT ${(server.address() as AddressInfo).port}`));
