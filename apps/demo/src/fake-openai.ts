/**
 * A stand-in for OpenAI: answers chat, responses and embeddings. In front of it stands a relay that adds the cached tokens
 * which the stand-in leaves out of its usage, gives embeddings in base64 where they are asked for so, and keeps what passed.
 */
import { createServer, request as send, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LLMock } from "@copilotkit/aimock";

/** One call as the upstream saw it. */
type Served = { path: string; requestBody: string; responseBody: string; isClosedEarly: boolean };

export type FakeOpenAi = {
  /** Ends in /v1. */
  url: string;
  mock: LLMock;
  served: Served[];
  /** How long it waits before it answers. */
  delayMs: number;
  stop(): Promise<void>;
};

/** Every canned answer takes 12 tokens in, 4 of them cached, and gives 5 out. */
const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17, input_tokens: 12, output_tokens: 5 };
const details: readonly [plain: string, withDetails: string][] = [
  ['"prompt_tokens":12,', '"prompt_tokens":12,"prompt_tokens_details":{"cached_tokens":4},'],
  ['"input_tokens":12,', '"input_tokens":12,"input_tokens_details":{"cached_tokens":4},'],
];

export type FakeOpenAiOptions = {
  host?: string;
  /** 0 picks a free one. */
  port?: number;
  /** How many calls are kept in `served`; the oldest go first. */
  keeps?: number;
};

export async function startFakeOpenAi(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
  const { host = "127.0.0.1", port = 0, keeps = Infinity } = options;
  const mock = new LLMock({ port: 0, host: "127.0.0.1" });
  mock.onMessage(/.*/, { content: "Hello from the fake model.", usage });
  mock.onEmbedding(/.*/, { embedding: [0.1, 0.2, 0.3] });
  await mock.start();
  const served: Served[] = [];
  const relay = createServer((req, res) => {
    const handle = () => {
      relayCall(new URL(mock.url), req, res, served);
      while (served.length > keeps) served.shift();
    };
    if (fake.delayMs > 0) setTimeout(handle, fake.delayMs);
    else handle();
  });
  await new Promise<void>((resolve, reject) => {
    relay.once("error", (error) => {
      mock.stop().then(() => reject(error), reject);
    });
    relay.listen(port, host, resolve);
  });
  const fake: FakeOpenAi = {
    url: `http://${host}:${(relay.address() as AddressInfo).port}/v1`,
    mock,
    served,
    delayMs: 0,
    stop: async () => {
      relay.closeAllConnections();
      await new Promise((resolve) => relay.close(resolve));
      await mock.stop();
    },
  };
  return fake;
}

function relayCall(to: URL, req: IncomingMessage, res: ServerResponse, served: Served[]): void {
  const call: Served = { path: req.url ?? "", requestBody: "", responseBody: "", isClosedEarly: false };
  served.push(call);
  const { method, headers, url: path } = req;
  const onward = send({ host: to.hostname, port: to.port, path, method, headers }, (answer) => {
    const { "content-length": _length, ...rest } = answer.headers;
    res.writeHead(answer.statusCode ?? 502, rest);
    answer.setEncoding("utf8");
    const pass = (text: string) => {
      call.responseBody += text;
      res.write(text);
    };
    let embeddings = "";
    answer.on("data", (text: string) => {
      if (wantsBase64(call)) embeddings += text;
      else pass(details.reduce((each, [plain, withDetails]) => each.replace(plain, withDetails), text));
    });
    answer.on("end", () => {
      if (embeddings !== "") pass(inBase64(embeddings));
      res.end();
    });
  });
  onward.on("error", () => res.destroy());
  res.on("close", () => {
    call.isClosedEarly = !res.writableFinished;
    if (call.isClosedEarly) onward.destroy();
  });
  req.setEncoding("utf8");
  req.on("data", (text: string) => {
    call.requestBody += text;
    onward.write(text);
  });
  req.on("end", () => onward.end());
}

/** As the SDKs do unless they are told otherwise. */
const wantsBase64 = ({ path, requestBody }: Served): boolean =>
  path.endsWith("/embeddings") && /"encoding_format"\s*:\s*"base64"/.test(requestBody);

/** An error comes through as it is. */
function inBase64(answer: string): string {
  const { data, ...rest } = JSON.parse(answer) as { data?: { embedding: number[] }[] };
  if (!data) return answer;
  const encode = (numbers: number[]) => Buffer.from(Float32Array.from(numbers).buffer).toString("base64");
  return JSON.stringify({ ...rest, data: data.map((each) => ({ ...each, embedding: encode(each.embedding) })) });
}
