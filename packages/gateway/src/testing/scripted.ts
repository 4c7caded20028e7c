/** For tests of the gateway: an upstream that answers as a test says, and ports that remember what they were asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { CallRecord } from "../call-record.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../gateway.ts";
import { createNodeDoor } from "../adapters/node.ts";
import { defaultTimeouts } from "../transport/upstream-client.ts";
import type { Hold, HoldRequest, Ports, Refusal, Settlement, Upstream } from "../ports.ts";

export type Scripted = {
  url: string;
  gateway: Gateway;
  upstream: Upstream;
  holds: HoldRequest[];
  settlements: Settlement[];
  logged: { event: string; fields: Record<string, unknown> }[];
  records: CallRecord[];
  /** The bodies that reached the upstream. */
  bodies: string[];
  upstreamHeaders: IncomingMessage["headers"][];
  stop(): Promise<void>;
};

type Script = (res: ServerResponse, req: IncomingMessage) => void;

export async function startScripted(
  script: Script,
  ports: Partial<Ports> = {},
  options?: GatewayOptions,
  doorOptions?: Parameters<typeof createNodeDoor>[1],
): Promise<Scripted> {
  const bodies: string[] = [];
  const upstreamHeaders: IncomingMessage["headers"][] = [];
  const upstream = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on("data", (chunk: Buffer) => chunks.push(chunk));
    req.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      upstreamHeaders.push(req.headers);
      script(res, req);
    });
  });
  const baseUrl = `${await open(upstream)}/v1`;
  const upstreamItself: Upstream = {
    id: "upstream",
    baseUrl,
    apiKey: "sk-operator",
    organization: null,
    project: null,
    weight: 1,
  };
  const holds: HoldRequest[] = [];
  const settlements: Settlement[] = [];
  const logged: Scripted["logged"] = [];
  const records: CallRecord[] = [];
  const gateway = createGateway(
    {
      authenticate: ({ secret }) =>
        secret === "sk-good"
          ? { apiKeyId: "key", userId: "user", accountId: "account", safetyIdentifier: "user-hash", allowedModels: [] }
          : { refused: "invalid_api_key" },
      placeHold: (request): Promise<Hold | Refusal> => {
        holds.push(request);
        const { id, bound } = request;
        return Promise.resolve({
          held: true,
          allowance: null,
          upstreamId: null,
          id,
          outputCapTokens: null,
          isCapLowered: false,
          doesReason: false,
          inputTokens: bound.inputTokens,
          outputTokens: bound.outputTokens ?? 10_000,
          heldOutputTokens: bound.outputTokens ?? 10_000,
          grant: null,
        });
      },
      extendHold: ({ outputTokens }) => Promise.resolve({ heldOutputTokens: outputTokens, refusal: null }),
      checkpoint: () => undefined,
      settle: (settlement) => {
        settlements.push(settlement);
        return Promise.resolve();
      },
      drainsOnDisconnect: () => false,
      chargesBrokenAnswers: () => true,
      idempotency: {
        claim: () => Promise.resolve({ outcome: "claimed" }),
        keep: () => Promise.resolve(),
        giveUp: () => Promise.resolve(),
      },
      resources: {
        locate: () => Promise.resolve({ upstreamId: null }),
        add: () => Promise.resolve(),
        remove: () => Promise.resolve(),
        list: () => Promise.resolve([]),
      },
      listUpstreams: () => [upstreamItself],
      answerRead: ({ name }) => Promise.resolve({ answer: { name } }),
      readStatus: () => Promise.resolve(null),
      now: Date.now,
      log: (_level, event, fields) => logged.push({ event, fields }),
      observe: (record) => records.push(record),
      ...ports,
    },
    { upstreamPolicy: () => ({ timeouts: defaultTimeouts, allowsPrivateAddresses: true }), ...options },
  );
  const door = createNodeDoor(gateway, doorOptions);
  const server = createServer((req, res) => {
    door.answer(req, res).catch(() => res.destroy());
  });
  const url = `${await open(server)}/v1`;
  const stop = async () => {
    door.close();
    await gateway.close();
    for (const each of [server, upstream]) {
      each.closeAllConnections();
      await new Promise((resolve) => each.close(resolve));
    }
  };
  return { url, gateway, upstream: upstreamItself, holds, settlements, logged, records, bodies, upstreamHeaders, stop };
}

async function open(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const sendJson = (res: ServerResponse, body: unknown, status = 200): void =>
  void res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

/** Writes events `everyMs` apart, stops where the connection closes, and ends unless told otherwise. */
export function sendEvents(
  res: ServerResponse,
  events: string[],
  { everyMs = 0, thenDestroy = false, isOpen = false } = {},
): void {
  res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  const next = (at: number): void => {
    if (res.destroyed) return;
    const event = events[at];
    if (event === undefined) {
      if (thenDestroy) res.destroy();
      else if (!isOpen) res.end();
      return;
    }
    res.write(event, () => (everyMs > 0 ? setTimeout(() => next(at + 1), everyMs) : next(at + 1)));
  };
  next(0);
}

const chunk = (rest: object) =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", model: "m-1", ...rest })}\n\n`;

export const chatEvents = (
  words: string[],
  usage: object | null = { prompt_tokens: 12, completion_tokens: words.length },
) => [
  ...words.map((content) => chunk({ choices: [{ index: 0, delta: { content } }], usage: null })),
  ...(usage ? [chunk({ choices: [], usage })] : []),
  "data: [DONE]\n\n",
];
