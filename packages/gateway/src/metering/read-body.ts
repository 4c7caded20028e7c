/** Reads a call's body within what its user may take, and scans it: a large one in turns. */
import type { RequestShare } from "../budgets.ts";
import type { GatewayCall } from "../call.ts";
import type { Workshop } from "../exchange.ts";
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
  const body = await call.readBody({ maxBytes: maxBodyBytes, admit: (bytes) => share.take(bytes) });
  if (body.length <= sliceBytes) return scanBody(body, billingKeys);
  return await scanBodyInTurns(body, billingKeys, { turns: workshop.turns, party: userId });
}
