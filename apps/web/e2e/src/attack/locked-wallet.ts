/** Somebody else in the database, as a frozen second process would, keeps one wallet locked while its owner calls. */
import { openDatabase } from "@codex-gateway/db";
import { outcomeOf, pause, repeat, type Attack, type Round, type Target } from "./attack.ts";
import { callApi, scripted } from "./send.ts";

const callEveryMs = 250;
const atOnce = 20;
const lockedMs = 15_000;
const freeMs = 1_000;

async function lockAgainAndAgain({ databaseUrl }: Target, userId: string, round: Round): Promise<void> {
  while (!round.signal.aborted) {
    // A connection of its own each time: the database may end one that idles within a transaction.
    const db = openDatabase(databaseUrl, { maxConnections: 1 });
    const client = await db.pool.connect();
    try {
      // As somebody's own tool would, which has not our limits.
      await client.query("SET idle_in_transaction_session_timeout = 0; BEGIN");
      await client.query("SELECT FROM account WHERE user_id = $1 FOR UPDATE", [userId]);
      round.note("locked");
      await pause(Math.min(lockedMs, round.seconds * 500), round.signal);
    } catch (error) {
      round.note(`lock ${outcomeOf(error)}`);
    } finally {
      client.release(true);
      await db.close().catch(() => undefined);
    }
    await pause(freeMs, round.signal);
  }
}

export const lockedWallet: Attack = {
  name: "locked wallet",
  run: async (target, { userId, apiKey }, round) => {
    const { api } = target;
    const call = () => callApi(api, "/chat/completions", apiKey, { body: scripted("none"), signal: round.signal });
    await Promise.all([
      lockAgainAndAgain(target, userId, round),
      repeat(round, { everyMs: callEveryMs, atOnce }, call),
    ]);
  },
};
