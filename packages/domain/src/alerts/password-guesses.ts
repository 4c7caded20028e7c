/**
 * Tells the owner of an account by mail that strangers try passwords at it: at most once a day. A job looks, and not the
 * log-in, so that how long an answer takes does not tell whether there is such an account.
 */
import { type Database, inTransaction, lockInTransaction } from "@codex-gateway/db";
import { readSettings } from "../settings/settings.ts";
import { insertAlert } from "./alert.ts";

/** In a day, for all accounts: whoever guesses at many must not make the mail server send as many mails. */
const maxPerDay = 100;

/** Accounts at which more was tried than what is looked at without a pause. */
const newlyGuessed = `WITH guessed AS (
    SELECT u.id, u.email, t.points FROM throttle t
    JOIN "user" u ON u.status = 'active' AND t.key = 'login-account:' || u.email
    LEFT JOIN standing_alert s ON s.kind = 'password_guesses' AND s.subject = u.id::text
      AND s.last_seen_at > now() - interval '1 day'
    WHERE t.key LIKE 'login-account:%' AND t.expire > $1 AND t.points > 10 AND s.subject IS NULL
    ORDER BY t.points DESC LIMIT greatest(0, ${maxPerDay} - (SELECT count(*) FROM standing_alert
      WHERE kind = 'password_guesses' AND last_seen_at > now() - interval '1 day'))
  ), noted AS (
    INSERT INTO standing_alert (kind, subject, facts)
    SELECT 'password_guesses', id::text, jsonb_build_object('failures', points) FROM guessed
    ON CONFLICT (kind, subject) DO UPDATE SET facts = excluded.facts, since = now(), last_seen_at = now()
  )
  SELECT email, points FROM guessed ORDER BY email`;

/** Does nothing where no mail can be sent. */
export async function notePasswordGuesses(db: Pick<Database, "pool">): Promise<void> {
  if ((await readSettings(db)).alertEmailTo === "") return;
  await inTransaction(db, async (client) => {
    await lockInTransaction(client, "alerts");
    const { rows } = await client.query<{ email: string; points: number }>(newlyGuessed, [Date.now()]);
    for (const { email, points } of rows) {
      const deliveries = [{ channel: "email" as const, recipient: email }];
      await insertAlert(client, deliveries, "password_guesses", { email, failures: points });
    }
  });
}
