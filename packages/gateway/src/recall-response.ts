/**
 * Asks the upstreams what became of a response whose end nobody here has seen: the process that relayed it has died. They
 * keep responses for a while; the question costs nothing.
 */
import type { AnswerVisitor } from "./metering/answer-visitor.ts";
import type { Upstream, Usage } from "./ports.ts";
import type { UpstreamClient } from "./transport/upstream-client.ts";
import { scanAnswer } from "./metering/scan-answer.ts";
import { storableOrNull } from "./metering/stored-text.ts";
import type { Turns } from "./metering/turns.ts";
import { readUsage } from "./metering/read-usage.ts";

export type RecalledResponse =
  | { outcome: "used"; upstreamId: string; usage: Usage; serviceTier: string | null; servedModel: string | null }
  /** It failed before anything came out of it. */
  | { outcome: "nothing" };

/** Long enough for a healthy provider; the holds of a dead process are to be settled within seconds. */
const recallMs = 1_000;
const responseId = /^resp_[\w-]{1,200}$/;
const ended = new Set<unknown>(["completed", "incomplete", "failed", "cancelled"]);

/**
 * What the response used, exactly; null where no upstream knows it, or it has not ended, or its usage cannot be read. The
 * first upstream that has it answers: one that is slow, or down, keeps nobody waiting.
 */
export async function recallResponse(
  { client, turns }: { client: Pick<UpstreamClient, "read" | "vitals">; turns: Turns },
  upstreams: readonly Upstream[],
  id: string,
): Promise<RecalledResponse | null> {
  if (!responseId.test(id)) return null;
  const asked = upstreams
    // One that fails for some models, or for some users, is asked all the same.
    .filter((upstream) => client.vitals(upstream).fault?.reason !== "key_refused")
    .map(async (upstream) => {
      const { status, body } = await client.read(upstream, `/responses/${id}`, recallMs);
      const stored = await scanAnswer(body, { turns, party: "recall" });
      if (status !== 200 || stored?.members.id !== id || !ended.has(stored.members.status)) {
        throw new Error("Not known here.");
      }
      return { upstream, stored };
    });
  const found = await Promise.any(asked).catch(() => null);
  return found && readStored(found.upstream.id, found.stored);
}

function readStored(upstreamId: string, { members, hosted, output }: AnswerVisitor): RecalledResponse | null {
  if (members.status === "failed" && (members.usage ?? null) === null && !output) return { outcome: "nothing" };
  // How much was held for is known to those who held it: what costs more than that is not charged as exact.
  const read = readUsage(members.usage);
  // How large its container was has died with the process.
  if (!read?.isInputStated || !read.isOutputStated || hosted?.hasContainer) return null;
  return {
    outcome: "used",
    upstreamId,
    usage: { ...read.units, ...hosted?.units },
    serviceTier: storableOrNull(members.service_tier, 64),
    servedModel: storableOrNull(members.model),
  };
}
