/** The connection that the ledger's batches are sent on, in the order of their calls. */
import type { Database } from "@codex-gateway/db";
import type pg from "pg";

/** How long a batch may take before its connection is given up and the same batch is sent on another one. */
const batchMs = 5_000;

const parameters = Array.from({ length: 30 }, (_, at) => `$${at + 1}`).join(", ");

export type BatchConnection<Row> = { query(values: string[]): Promise<Row[]>; giveBack(): void };

/**
 * One connection of the pool, kept from batch to batch while there are any: the pool hands one out only after everything
 * else that is due has run, and that would be all the calls whose batch has just been committed. Where it breaks, nobody
 * knows which of the batches on it have committed, and each is sent once more. They run in the order of their calls, then
 * too: they fail in that order, and what gives a hold back must not overtake the hold.
 */
export function createBatchConnection<Row extends pg.QueryResultRow>(pool: Database["pool"]): BatchConnection<Row> {
  let current: Promise<pg.PoolClient> | null = null;

  async function connect(): Promise<pg.PoolClient> {
    const client = await pool.connect();
    client.on("error", giveBack);
    return client;
  }

  function giveBack(error?: Error): void {
    const given = current;
    current = null;
    given?.then(
      (client) => {
        client.off("error", giveBack);
        client.release(error);
      },
      () => undefined,
    );
  }

  /** Puts the batch on the wire behind all that were sent before. */
  async function send(values: string[]): Promise<Row[]> {
    current ??= connect();
    const used = current;
    let isConnected = false;
    try {
      const client = await used;
      isConnected = true;
      return (await client.query<Row>(batchQuery(values))).rows;
    } catch (error) {
      const isUseless = !isConnected || isLost(error);
      if (isUseless && current === used) giveBack(error as Error);
      throw error;
    }
  }

  return {
    query: async (values) => {
      try {
        return await send(values);
      } catch (error) {
        if (!isLost(error)) throw error;
        return send(values);
      }
    },
    giveBack: () => giveBack(),
  };
}

/** The driver knows `query_timeout` of a single query; its types do not. */
const batchQuery = (values: string[]): pg.QueryConfig<string[]> & { query_timeout: number } => ({
  name: "ledger_batch",
  text: `SELECT * FROM ledger_batch(${parameters})`,
  values,
  query_timeout: batchMs,
});

/** A server that is still busy after `batchMs`, or will never say a word, is as good as lost. */
const lostConnection = /^(08|57P)|ECONNRESET|ECONNREFUSED|EPIPE|terminated|^Query read timeout$/;

function isLost(error: unknown): boolean {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  return lostConnection.test(code) || lostConnection.test(message);
}
