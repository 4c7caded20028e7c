/** Answers the read-only paths for key holders, and refuses every path that the gateway does not know. */
import { createHash } from "node:crypto";
import { authenticateCall } from "./authenticate-call.ts";
import type { CallRecord } from "./call-record.ts";
import type { GatewayAnswer, GatewayCall } from "./call.ts";
import { clientKind } from "./client-kind.ts";
import { findRead } from "./endpoints/reads.ts";
import { errorAnswer } from "./errors.ts";
import type { Ports } from "./ports.ts";
import { refuse } from "./refusals.ts";

export async function answerRead(
  ports: Ports,
  call: GatewayCall,
  { record, pathname }: { record: CallRecord; pathname: string },
): Promise<GatewayAnswer> {
  const id = record.requestId;
  const read = findRead(pathname);
  if (!read || call.method !== "GET") {
    return errorAnswer("unknown_url", id, { message: `Unknown request URL: ${call.method} ${pathname}.` });
  }
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
