/** Reads a call's body within what its user may take, and scans it: a large one in turns. */
import type { RequestShare } from "../budgets.ts";
import type { GatewayCall } from "../call.ts";
import type { Workshop } from "../exchange.ts";
import { encodingOf } from "../transport/decode-answer.ts";
import { unpackBody } from "../transport/unpack-body.ts";
import { billingKeys } from "./request-facts.ts";
import { scanBody, scanBodyInTurns, type ScannedBody } from "./scan-body.ts";
import { sliceBytes } from "./turns.ts";

type Reading = { workshop: Pick<Workshop, "turns">; maxBodyBytes: number; userId: string };

/** @throws BodyError where it cannot be read, and whatever `readBody` of the call throws */
export async function readBody(
  call: GatewayCall,
  share: RequestShare,
  { workshop, maxBodyBytes, userId }: Reading,
): Promise<ScannedBody> {
  const limits = { maxBytes: maxBodyBytes, admit: (bytes: number) => share.take(bytes) };
  const sent = await call.readBody(limits);
  const encoding = encodingOf(call.headers["content-encoding"]);
  const body = encoding === null ? sent : await unpackBody(sent, encoding, limits);
  if (body.length <= sliceBytes) return scanBody(body, billingKeys);
  return await scanBodyInTurns(body, billingKeys, { turns: workshop.turns, party: userId });
}
