/** Tells what a check of the books has found: when they stop adding up, when something else breaks too, when all is well again. */
import type { Database } from "@codex-gateway/db";
import type { Finding } from "@codex-gateway/ledger";
import { decideAlerts } from "./alert.ts";

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
