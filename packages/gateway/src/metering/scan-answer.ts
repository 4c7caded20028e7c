/** Scans an upstream's JSON for what billing needs, in turns where it is large: an upstream is a party as well. */
import { AnswerVisitor } from "./answer-visitor.ts";
import { JsonScan, JsonScanError } from "./json-scan.ts";
import { bufferOf } from "./scan-body.ts";
import { sliceBytes, type Turns } from "./turns.ts";

/** How many values it has is not limited: an answer of many embeddings has millions. */
const answerLimits = { maxDepth: 64, maxValues: Infinity };

export type WhoseTurn = { turns: Turns; party: string };

/** Null where it is no JSON. */
export async function scanAnswer(json: Uint8Array, { turns, party }: WhoseTurn): Promise<AnswerVisitor | null> {
  const visitor = new AnswerVisitor();
  const scan = new JsonScan(bufferOf(json), visitor, answerLimits);
  try {
    do await turns.next(party);
    while (!scan.run(sliceBytes));
    return visitor;
  } catch (error) {
    if (error instanceof JsonScanError) return null;
    throw error;
  }
}
