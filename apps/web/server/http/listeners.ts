/**
 * The map of the product: which address leads where.
 *
 * PORT:      built files · /healthz · /readyz · all else → Remix, its /v1 resource route included
 * API_PORT:  /v1/* → gateway · /healthz · /readyz · /metrics
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { refuseBadHead } from "@codex-gateway/gateway";
import type { ClientAddress } from "./client-address.ts";
import type { PageSource } from "../boot/page-source.ts";
import { answerWithWebHandler, type WebHandler } from "./web-bridge.ts";

type Answer = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

export type Probes = {
  /** Whether a balancer should send anything here: the database answers, and no stop is under way. */
  isReady: () => Promise<boolean>;
};

export type PagesDoor = {
  pages: WebHandler;
  clients: ClientAddress;
  publicUrl: () => string;
  serveFile: PageSource["serveFile"];
};
export type ApiDoor = {
  gateway: Answer;
  /** Null where nobody may read them. */
  metrics: Answer | null;
};

/** The listener of the pages' port. */
export function createPagesListener(door: PagesDoor, probes: Probes): RequestListener {
  return (req, res) => {
    if (refuseBadHead(req, res)) return;
    if (req.method === "TRACE") {
      sendText(res, 405, "Method not allowed");
      return;
    }
    if (answerProbe(req, res, probes)) return;
    endFileWithAnswer(res);
    door.serveFile(req, res, () => {
      const { clients } = door;
      const client = { address: clients.of(req), host: clients.hostOf(req), isHttps: clients.isHttpsOf(req) };
      answerWithWebHandler(req, res, { ...client, origin: new URL(door.publicUrl()).origin }, door.pages).catch(() => {
        if (res.headersSent) res.destroy();
        else sendText(res, 500, "Internal server error");
      });
    });
  };
}

/** A file that cannot be read ends its answer, and an answer that is given up closes its file. */
function endFileWithAnswer(res: ServerResponse): void {
  res.once("pipe", (file: Readable) => {
    file.once("error", () => res.destroy());
    res.once("close", () => file.destroy());
  });
}

/** The listener of the API's port. */
export function createApiListener(door: ApiDoor, probes: Probes): RequestListener {
  return (req, res) => {
    if (answerProbe(req, res, probes)) return;
    const answer = req.url === "/metrics" && door.metrics ? door.metrics : door.gateway;
    answer(req, res).catch(() => res.destroy());
  };
}

/** Answers /healthz and /readyz; false for every other address. */
function answerProbe(req: IncomingMessage, res: ServerResponse, { isReady }: Probes): boolean {
  if (req.url === "/healthz") {
    sendText(res, 200, "ok");
    return true;
  }
  if (req.url !== "/readyz") return false;
  isReady().then(
    (ready) => sendText(res, ready ? 200 : 503, ready ? "ready" : "not ready"),
    () => sendText(res, 503, "not ready"),
  );
  return true;
}

function sendText(res: ServerResponse, status: number, text: string): void {
  res.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }).end(text);
}
