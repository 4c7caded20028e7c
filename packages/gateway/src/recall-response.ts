/**
 * Asks the upstreams what became of a response whose end nobody here has seen: the process that relayed it has died. They
 * keep responses for a while; the question costs nothing.
 */
import { noHostedCalls, countHostedCall } from "./hosted-tools.ts";
import type { Upstream, Usage } from "./ports.ts";
import type { UpstreamClient } from "./upstream-client.ts";
import { readUsage } from "./usage.ts";

export type RecalledResponse =
  | { outcome: "used"; upstreamId: string; usage: Usage; serviceTier: string | null; servedModel: string | null }
  /** It failed before anything came out of it. */
  | { outcome: "nothing" };

type Stored = {
  id?: unknown;
  status?: unknown;
  usage?: unknown;
  service_tier?: unknown;
  model?: unknown;
  output?: unknown;
};

/** Long enough for a healthy provider; the holds of a dead process are to be settled within seconds. */
const recallMs = 1_000;
const responseId = /^resp_[\w-]{1,200}$/;
const ended = new Set<unknown>(["completed", "incomplete", "failed", "cancelled"]);

/**
 * What the response used, exactly; null where no upstream knows it, or it has not ended, or its usage cannot be read. The
 * first upstream that has it answers: one that is slow, or down, keeps nobody waiting.
 */
export async function recallResponse(
  client: Pick<UpstreamClient, "read" | "vitals">,
  upstreams: readonly Upstream[],
  id: string,
): Promise<RecalledResponse | null> {
  if (!responseId.test(id)) return null;
  const asked = upstreams
    .filter((upstream) => client.vitals(upstream).fault === null)
    .map(async (upstream) => {
      const { status, body } = await client.read(upstream, `/responses/${id}`, recallMs);
      const stored = parse(body);
      if (status !== 200 || stored.id !== id || !ended.has(stored.status)) throw new Error("Not known here.");
      return { upstream, stored };
    });
  const found = await Promise.any(asked).catch(() => null);
  return found && readStored(found.upstream.id, found.stored);
}

function readStored(upstreamId: string, stored: Stored): RecalledResponse | null {
  const output = Array.isArray(stored.output) ? stored.output : [];
  if (stored.status === "failed" && (stored.usage ?? null) === null && output.length === 0)
    return { outcome: "nothing" };
  // How much was held for is known to those who held it: what costs more than that is not charged as exact.
  const read = readUsage(stored.usage, { inputTokens: Infinity, outputTokens: Infinity });
  const hosted = noHostedCalls();
  for (const item of output) countHostedCall(hosted, item);
  // How large its container was has died with the process.
  if (!read || hosted.hasContainer) return null;
  return {
    outcome: "used",
    upstreamId,
    usage: { ...read.usage, ...hosted.units },
    serviceTier: textOrNull(stored.service_tier),
    servedModel: textOrNull(stored.model),
  };
}

const textOrNull = (value: unknown): string | null => (typeof value === "string" ? value : null);

function parse(body: Uint8Array): Stored {
  try {
    return (JSON.parse(Buffer.from(body).toString()) ?? {}) as Stored;
  } catch {
    return {};
  }
}
