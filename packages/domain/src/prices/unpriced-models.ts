/**
 * Models that somebody asked for and that have no price here. A request only counts in memory; the counts are written
 * every few seconds. Names are what clients write, so their form, their number in memory and the rows are bounded.
 */
import type { Database } from "@codex-gateway/db";
import { decideAlerts } from "../alerts/alert.ts";

const maxNamesInMemory = 100;
const maxRows = 200;
/** A model that nobody has asked for in so many days is forgotten. */
const keptDays = 30;
/** Names of models as providers write them: one line, no blanks. */
const modelName = /^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$/;

export type UnpricedModels = {
  /** Counts a request that was refused. Costs no more than a look into a map. */
  note(model: string): void;
  /** Writes the counts, and tells the owner of new names. Counts that could not be written are tried again. */
  flush(): Promise<void>;
};

export function createUnpricedModels(db: Pick<Database, "pool">): UnpricedModels {
  let counts = new Map<string, number>();
  const add = (model: string, requests: number) => {
    if (counts.has(model) || counts.size < maxNamesInMemory) counts.set(model, (counts.get(model) ?? 0) + requests);
  };
  return {
    note: (model) => {
      if (modelName.test(model)) add(model, 1);
    },
    flush: async () => {
      if (counts.size === 0) return;
      const written = counts;
      counts = new Map();
      try {
        await writeCounts(db, written);
      } catch (error) {
        for (const [model, requests] of written) add(model, requests);
        throw error;
      }
      await tellOfNewModels(db);
    },
  };
}

async function writeCounts({ pool }: Pick<Database, "pool">, counts: ReadonlyMap<string, number>): Promise<void> {
  await pool.query(
    `INSERT INTO unpriced_model AS u (model, requests)
       SELECT c.model, c.requests FROM unnest($1::text[], $2::bigint[]) AS c(model, requests)
       WHERE EXISTS (SELECT 1 FROM unpriced_model k WHERE k.model = c.model)
         OR (SELECT count(*) FROM unpriced_model) < $3
       ORDER BY c.model
     ON CONFLICT (model) DO UPDATE SET requests = u.requests + excluded.requests, last_seen_at = now()`,
    [[...counts.keys()], [...counts.values()], maxRows],
  );
  await pool.query("DELETE FROM unpriced_model WHERE last_seen_at < now() - $1 * interval '1 day'", [keptDays]);
}

/** One alert for all names that are new; each name is told once. */
async function tellOfNewModels(db: Pick<Database, "pool">): Promise<void> {
  await decideAlerts(db, async (client, raise) => {
    const { rows } = await client.query<{ model: string; requests: bigint }>(
      "UPDATE unpriced_model SET alerted_at = now() WHERE alerted_at IS NULL RETURNING model, requests",
    );
    if (rows.length === 0) return;
    const models = rows.map(({ model, requests }) => ({ model, requests: Number(requests) }));
    await raise("unpriced_models", { models: models.sort((a, b) => (a.model < b.model ? -1 : 1)) });
  });
}
