/** Reads a call's body within what its user may take, and scans it: a large one in turns. */
import type { RequestShare } from "../budgets.ts";
import type { GatewayCall } from "../call.ts";
import type { Workshop } from "../exchange.ts";
import { encodingOf } from "../transport/decode-answer.ts";
import { unpackBody } from "../transport/unpack-body.ts";
import type { BodyShape } from "./body-shape.ts";
import { scanBody, scanBodyInTurns, type ScannedBody } from "./scan-body.ts";
import { sliceBytes } from "./turns.ts";

type Reading = { workshop: Pick<Workshop, "turns">; maxBodyBytes: number; userId: string; shape: BodyShape };

/** @throws BodyError where it cannot be read, and whatever `readBody` of the call throws */
export async function readBody(
  call: GatewayCall,
  share: RequestShare,
  { workshop, maxBodyBytes, userId, shape }: Reading,
): Promise<ScannedBody> {
  const limits = { maxBytes: maxBodyBytes, admit: (bytes: number) => share.take(bytes) };
  const sent = await call.readBody(limits);
  const encoding = encodingOf(call.headers["content-encoding"]);
  const body = encoding === null ? sent : await unpackBody(sent, encoding, limits);
  if (body.length <= sliceBytes) return scanBody(body, shape);
  return await scanBodyInTurns(body, shape, { turns: workshop.turns, party: userId });
}
