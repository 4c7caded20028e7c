/** Tells what a check of the books has found: when they stop adding up, when something else breaks too, when all is well again. */
import { inTransaction, type Database } from "@codex-gateway/db";
import type { BooksHead, Finding } from "@codex-gateway/ledger";
import { readSettings } from "../settings/settings.ts";
import { decideAlerts, insertAlert } from "./alert.ts";

/** To be called with the findings of every `verifyLedger`. */
export async function noteLedgerVerdict(db: Pick<Database, "pool">, findings: readonly Finding[]): Promise<void> {
  const breaches = findings.filter((finding) => finding.breaches > 0);
  await decideAlerts(db, async (client, raise) => {
    if (breaches.length === 0) {
      const { rowCount } = await client.query("DELETE FROM standing_alert WHERE kind = 'ledger_unsound'");
      if (rowCount) await raise("ledger_sound", {});
      return;
    }
    const broken = JSON.stringify(breaches.map(({ invariant }) => invariant));
    const { rowCount } = await client.query(
      `INSERT INTO standing_alert AS s (kind, subject, facts) VALUES ('ledger_unsound', 'ledger', $1)
       ON CONFLICT (kind, subject) DO UPDATE SET facts = excluded.facts, last_seen_at = now()
         WHERE s.facts IS DISTINCT FROM excluded.facts`,
      [broken],
    );
    if (rowCount) await raise("ledger_unsound", { breaches });
  });
}

/** Sends the head of the books to the webhook, where there is one: whoever receives it keeps what nobody here can change. */
export async function noteBooksHead(db: Pick<Database, "pool">, head: BooksHead): Promise<void> {
  if ((await readSettings(db)).alertWebhookUrl === "") return;
  await inTransaction(db, (client) =>
    insertAlert(client, [{ channel: "webhook", recipient: null }], "books_head", head),
  );
}
