/** The embedded PostgreSQL of a running gateway: where it dies, it is started again on the same port, where every pool looks for it. */
import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
import { StartError } from "./start-error.ts";

export type PostgresEvent = { event: "died" } | { event: "restarted" } | { event: "restart_failed"; reason: string };

const firstPauseMs = 250;
const maxPauseMs = 5_000;

/**
 * Starts the server and keeps it up until `stop`; `tell` hears of each death and of what came of it.
 * @throws StartError with one sentence where the first start fails
 */
export async function keepEmbeddedPostgres(
  folder: string,
  tell: (event: PostgresEvent) => void,
): Promise<Pick<EmbeddedPostgres, "url" | "ledgerUrl" | "stop">> {
  let server = await startEmbeddedPostgres(folder);
  const { url, ledgerUrl } = server;
  const port = Number(new URL(url).port);
  const stopping = new AbortController();
  const isStopping = () => stopping.signal.aborted;

  async function startAgain(): Promise<void> {
    for (let pauseMs = firstPauseMs; !isStopping(); pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
      try {
        server = await startEmbeddedPostgres(folder, { port, signal: stopping.signal });
        if (server.ledgerUrl !== ledgerUrl) {
          // Its socket could not be made this time, and that is where the ledger looks for it.
          await server.stop();
          throw new StartError("The database's folder takes no socket any more.");
        }
        tell({ event: "restarted" });
        return;
      } catch (error) {
        if (isStopping()) return;
        tell({ event: "restart_failed", reason: (error as Error).message });
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  }

  async function watch(): Promise<void> {
    while (!isStopping()) {
      await server.ended;
      if (isStopping()) return;
      tell({ event: "died" });
      restarting = startAgain();
      await restarting;
    }
  }

  let restarting = Promise.resolve();
  // It ends with the server; what a start fails with is told.
  watch().catch(() => undefined);
  return {
    url,
    ledgerUrl,
    stop: async () => {
      stopping.abort();
      // A start under way ends what it has launched: nothing may be left running.
      await restarting;
      await server.stop();
    },
  };
}
