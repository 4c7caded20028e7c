/** Answers the read-only paths for key holders, and refuses every path that the gateway does not know. */
import { createHash } from "node:crypto";
import { authenticateCall } from "./authenticate-call.ts";
import type { CallRecord } from "./call-record.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { clientKind } from "./client-kind.ts";
import { findEndedPath } from "./endpoints/ended-paths.ts";
import { findRead } from "./endpoints/reads.ts";
import { errorAnswer } from "./errors.ts";
import type { Ports } from "./ports.ts";
import { refuse } from "./refusals.ts";

export async function answerRead(
  ports: Ports,
  call: GatewayCall,
  { record, pathname, methods }: { record: CallRecord; pathname: string; methods: readonly string[] },
): Promise<GatewayAnswer> {
  const id = record.requestId;
  const read = findRead(pathname);
  if (!read || call.method !== "GET") return refuseUrl(call, id, { pathname, methods: read ? ["GET"] : methods });
  record.endpoint = read.name;
  const caller = await authenticateCall(ports, call, null);
  if ("refused" in caller) return refuse(caller, id, clientKind(call.headers));
  const { searchParams } = new URL(call.path, "http://gateway");
  const found = await ports.answerRead({ ...read, caller, search: searchParams });
  if ("refused" in found) return refuse(found, id, clientKind(call.headers));
  const headers: Record<string, string> = { "content-type": "application/json", "x-request-id": id };
  const body = Buffer.from(JSON.stringify(found.answer));
  if (read.name !== "models") return { status: 200, headers, body };
  headers.etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  const isKnown = [call.headers["if-none-match"] ?? []].flat().join(",").includes(headers.etag);
  return isKnown ? { status: 304, headers, body: Buffer.alloc(0) } : { status: 200, headers, body };
}

/** `methods` are those that the path has. */
function refuseUrl(
  { method }: GatewayCall,
  id: string,
  { pathname, methods }: { pathname: string; methods: readonly string[] },
): GatewayAnswer {
  if (methods.length > 0) {
    return errorAnswer("unknown_url", id, { message: `Use ${methods.join(" or ")} for ${shown(pathname)}.` });
  }
  const ended = findEndedPath(pathname);
  if (ended) {
    return errorAnswer(ended.status === 410 ? "endpoint_ended" : "unknown_url", id, { message: ended.sentence });
  }
  return errorAnswer("unknown_url", id, { message: `Unknown request URL: ${shown(method)} ${shown(pathname)}.` });
}

/** No longer than a path may be. */
const shown = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
