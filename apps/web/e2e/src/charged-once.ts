/** I10, which only a test can check, because only its fake upstream knows what it served. */
import type { Database } from "@codex-gateway/db";

export type WrongCharges = {
  /** Ids of answers that the upstream served and that are charged more than once. */
  chargedTwice: string[];
  /** Ids of answers that are charged and that the upstream never served. */
  neverServed: string[];
  /** Request ids that a client saw finished and that do not have exactly one charge. */
  notChargedOnce: string[];
};

export const noWrongCharges: WrongCharges = { chargedTwice: [], neverServed: [], notChargedOnce: [] };

/** Every id the upstream served has at most one charge, every id finished towards the client exactly one. */
export async function findWrongCharges(
  db: Database,
  { served, finished }: { served: readonly string[]; finished: readonly string[] },
): Promise<WrongCharges> {
  const charges = await db.prisma.charge.findMany({ select: { holdId: true, upstreamResponseId: true } });
  const perResponse = countsOf(charges.flatMap(({ upstreamResponseId }) => upstreamResponseId ?? []));
  const perRequest = countsOf(charges.map(({ holdId }) => holdId));
  const known = new Set(served);
  return {
    chargedTwice: served.filter((id) => (perResponse.get(id) ?? 0) > 1),
    neverServed: [...perResponse.keys()].filter((id) => !known.has(id)),
    notChargedOnce: finished.filter((id) => perRequest.get(id) !== 1),
  };
}

function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
