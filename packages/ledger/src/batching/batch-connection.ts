/** The connection that the ledger's batches are sent on, in the order of their calls. */
import type { Database } from "@codex-gateway/db";
import type pg from "pg";

/** How long a batch may take before its connection is given up and the same batch is sent on another one. */
const batchMs = 5_000;

/** The numbers by which this database knows the types of a batch's records. */
type RecordTypes = { settlement: number; holdOrder: number; drawnHold: number };

/** Made anew for each connection that it is sent on. */
type QueryFor = (types: RecordTypes) => { name: string; text: string; values: unknown[] };

export type BatchConnection = {
  /** Answers with the one value that the query selects. */
  query<Value>(queryFor: QueryFor): Promise<Value | null>;
  giveBack(): void;
};

type Connected = { client: pg.PoolClient; types: RecordTypes };

/**
 * One connection of the pool, kept from batch to batch while there are any: the pool hands one out only after everything
 * else that is due has run, and that would be all the calls whose batch has just been committed. Where it breaks, nobody
 * knows which of the batches on it have committed, and each is sent once more. They run in the order of their calls, then
 * too: they fail in that order, and what gives a hold back must not overtake the hold.
 */
export function createBatchConnection(pool: Database["pool"]): BatchConnection {
  let current: Promise<Connected> | null = null;
  const typesOf = new WeakMap<pg.PoolClient, RecordTypes>();

  async function connect(): Promise<Connected> {
    const client = await pool.connect();
    client.on("error", giveBack);
    try {
      const types = typesOf.get(client) ?? (await readTypes(client));
      typesOf.set(client, types);
      return { client, types };
    } catch (error) {
      client.off("error", giveBack);
      client.release(error as Error);
      throw error;
    }
  }

  function giveBack(error?: Error): void {
    const given = current;
    current = null;
    given?.then(
      ({ client }) => {
        client.off("error", giveBack);
        client.release(error);
      },
      () => undefined,
    );
  }

  /** Puts the batch on the wire behind all that were sent before. */
  async function send<Value>(queryFor: QueryFor): Promise<Value | null> {
    current ??= connect();
    const used = current;
    let isConnected = false;
    try {
      const { client, types } = await used;
      isConnected = true;
      const query: pg.QueryArrayConfig & Timed = { ...queryFor(types), rowMode: "array", query_timeout: batchMs };
      const { rows } = await client.query<[Value | null]>(query);
      return rows[0]?.[0] ?? null;
    } catch (error) {
      const isUseless = !isConnected || isLost(error);
      if (isUseless && current === used) giveBack(error as Error);
      throw error;
    }
  }

  return {
    query: async <Value>(queryFor: QueryFor) => {
      try {
        return await send<Value>(queryFor);
      } catch (error) {
        if (!isLost(error)) throw error;
        return send<Value>(queryFor);
      }
    },
    giveBack: () => giveBack(),
  };
}

/** The driver knows `query_timeout` of a single query; its types do not. */
type Timed = { query_timeout: number };

const typesQuery: pg.QueryConfig & Timed = {
  text: `SELECT 'settlement'::regtype::oid AS settlement, 'hold_order'::regtype::oid AS "holdOrder",
    'drawn_hold'::regtype::oid AS "drawnHold"`,
  query_timeout: batchMs,
};

/** A server that is still busy after `batchMs`, or will never say a word, is as good as lost. */
const lostConnection = /^(08|57P)|ECONNRESET|ECONNREFUSED|ENOENT|EPIPE|terminated|^Query read timeout$/;

function isLost(error: unknown): boolean {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return lostConnection.test(code) || lostConnection.test(message);
}

/** A connection's own, so that a database that was restored or exchanged is asked anew. */
async function readTypes(client: pg.PoolClient): Promise<RecordTypes> {
  const { rows } = await client.query<RecordTypes>(typesQuery);
  if (!rows[0]) throw new Error("The ledger's types are not known to the database.");
  return rows[0];
}
