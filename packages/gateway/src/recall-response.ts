/**
 * Asks the upstreams what became of a response whose end nobody here has seen: the process that relayed it has died. They
 * keep responses for a while; the question costs nothing.
 */
import { noHostedCalls, countHostedCall } from "./hosted-tools.ts";
import type { Upstream, Usage } from "./ports.ts";
import type { UpstreamClient } from "./upstream-client.ts";
import { readUsage } from "./usage.ts";

export type RecalledResponse = {
  upstreamId: string;
  usage: Usage;
  serviceTier: string | null;
  servedModel: string | null;
};

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

/** What the response used, exactly; null where no upstream knows it, or it has not ended, or its usage cannot be true. */
export async function recallResponse(
  client: Pick<UpstreamClient, "read">,
  upstreams: readonly Upstream[],
  { id, inputTokensBound }: { id: string; inputTokensBound: number },
): Promise<RecalledResponse | null> {
  if (!responseId.test(id)) return null;
  const answers = await Promise.all(
    upstreams.map(async (upstream) => {
      const answer = await client.read(upstream, `/responses/${id}`, recallMs).catch(() => null);
      return answer?.status === 200 ? { upstream, stored: parse(answer.body) } : null;
    }),
  );
  const found = answers.find((answer) => answer?.stored.id === id && ended.has(answer.stored.status));
  if (!found) return null;
  const { upstream, stored } = found;
  const read = readUsage(stored.usage, { inputTokens: inputTokensBound, outputTokens: Infinity });
  const hosted = noHostedCalls();
  for (const item of Array.isArray(stored.output) ? stored.output : []) countHostedCall(hosted, item);
  // How large its container was has died with the process.
  if (!read || hosted.hasContainer) return null;
  return {
    upstreamId: upstream.id,
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
