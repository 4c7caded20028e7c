/**
 * A stand-in for OpenAI: what a client of the API can ask is answered with canned text and scripted usage, and what is stored
 * is remembered until it stops. It keeps what passed.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createChat, type ChatScript } from "./fake/chat.ts";
import { others } from "./fake/others.ts";
import { failure, type Handler, type Json, type Reply, type Routes } from "./fake/reply.ts";
import { createResponses, type ResponsesScript } from "./fake/responses.ts";

/** One call as the provider saw it. */
type Served = { method: string; path: string; requestBody: string; responseBody: string; isClosedEarly: boolean };

/** What the next calls are answered with, where that is not the usual. */
type FakeScript = ChatScript &
  ResponsesScript & {
    /** How long it waits before it answers. */
    delayMs: number;
    /** The next calls fail with these, one each. */
    failures: { status: number; error: Json }[];
  };

export type FakeOpenAi = {
  /** Ends in /v1. */
  url: string;
  script: FakeScript;
  served: Served[];
  stop(): Promise<void>;
};

export type FakeOpenAiOptions = {
  host?: string;
  /** 0 picks a free one. */
  port?: number;
  /** How many calls are kept in `served`; the oldest go first. */
  keeps?: number;
};

export async function startFakeOpenAi(options: FakeOpenAiOptions = {}): Promise<FakeOpenAi> {
  const { host = "127.0.0.1", port = 0, keeps = Infinity } = options;
  const script: FakeScript = { next: null, backgroundMs: 0, backgroundStatus: "completed", delayMs: 0, failures: [] };
  const routes: Routes = { ...createChat(script), ...createResponses(script), ...others };
  const served: Served[] = [];
  const server = createServer((req, res) => {
    serve(routes, script, { req, res, served }).catch(() => res.destroy());
    while (served.length > keeps) served.shift();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/v1`,
    script,
    served,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Connection = { req: IncomingMessage; res: ServerResponse; served: Served[] };

async function serve(routes: Routes, script: FakeScript, { req, res, served }: Connection): Promise<void> {
  const { method = "", url = "" } = req;
  const call: Served = { method, path: url, requestBody: "", responseBody: "", isClosedEarly: false };
  served.push(call);
  res.on("close", () => (call.isClosedEarly = !res.writableFinished));
  for await (const chunk of req.setEncoding("utf8") as AsyncIterable<string>) call.requestBody += chunk;
  if (script.delayMs > 0) await sleep(script.delayMs);
  const failed = script.failures.shift();
  const reply = failed ? failure(failed.status, failed.error) : replyTo(routes, call);
  await send(res, reply, call);
}

function replyTo(routes: Routes, { method, path, requestBody }: Served): Reply {
  const { pathname, searchParams } = new URL(path, "http://fake");
  const parts = pathname.split("/").slice("/v1".split("/").length);
  const found = findRoute(routes, method, parts);
  if (!found) return failure(404, { message: `Unknown URL: ${method} ${pathname}.`, type: "invalid_request_error" });
  const body = requestBody === "" ? {} : (JSON.parse(requestBody) as Json);
  return found.handler({ body, query: searchParams, ids: found.ids });
}

/** A path that is written out goes before one with an id in its place. */
function findRoute(
  routes: Routes,
  method: string,
  parts: readonly string[],
): { handler: Handler; ids: string[] } | null {
  const exact = routes[`${method} /${parts.join("/")}`];
  if (exact) return { handler: exact, ids: [] };
  for (const [name, handler] of Object.entries(routes)) {
    const [routeMethod, routePath = ""] = name.split(" ");
    const template = routePath.slice(1).split("/");
    if (routeMethod !== method || template.length !== parts.length) continue;
    if (template.every((part, at) => part === "*" || part === parts[at])) {
      return { handler, ids: parts.filter((_, at) => template[at] === "*") };
    }
  }
  return null;
}

async function send(res: ServerResponse, reply: Reply, call: Served): Promise<void> {
  if ("json" in reply) {
    call.responseBody = JSON.stringify(reply.json);
    res.writeHead(reply.status, { "content-type": "application/json" }).end(call.responseBody);
    return;
  }
  res.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of reply.events) {
    if (res.destroyed) return;
    call.responseBody += event;
    res.write(event);
    if (reply.everyMs > 0) await sleep(reply.everyMs);
  }
  res.end();
}
