/**
 * The cells that `verify` need not notice, each with the reason: no balance, no charge and no limit follows from them, or
 * nothing in the database could say what they were. Every cell that stands in no line here has to be noticed.
 */

type Row = Record<string, unknown>;
/** Ids of charges and credits whose entries are of the first form, which binds no more than their amount. */
type Unbound = ReadonlySet<unknown>;
type Line = { cells: string; when?: (row: Row, unbound: Unbound) => boolean; because: string };

const isUnboundCharge: Line["when"] = (row, unbound) => row.cost_nano_usd === 0n || unbound.has(row.hold_id);
const isUnboundCredit: Line["when"] = (row, unbound) => unbound.has(row.id);
const isIn =
  (...states: string[]): Line["when"] =>
  ({ state }) =>
    states.includes(String(state));

const lines: Line[] = [
  // Whole tables.
  {
    cells: "alert.* alert_delivery.* standing_alert.* low_balance_notice.*",
    because: "what was told, and whether it went out",
  },
  { cells: "session.* known_client.* throttle.* setup.*", because: "logins: none of them moves money by itself" },
  {
    cells: "password_reset.* totp.* recovery_code.* ownership_offer.*",
    because: "logins, too, and who was asked to become the owner",
  },
  {
    cells: "invite.* invite_use.*",
    because:
      "what an invitation gives is a credit of its own, with its line in the audit log, once somebody has come by it",
  },
  { cells: "upstream.* setting.*", because: "how it is run; each change is in the audit log" },
  { cells: "unpriced_model.* price_import.*", because: "lists for an admin to take prices from" },
  { cells: "books_check.*", because: "what earlier checks found; the next one does not read it" },
  { cells: "resource.*", because: "who may ask for what lies with a provider; what it cost is in its charge" },
  { cells: "attempt.*", because: "what failed before, and was charged to nobody" },
  { cells: "dead_letter.*", because: "what was set aside; what was charged instead is a charge like others" },
  {
    cells: "instance.*",
    because: "leases: a wrong one makes its holds orphans, or keeps them open, and I8 sees those",
  },
  // People.
  {
    cells: "user.email user.password_hash user.language user.created_at",
    because: "who somebody is, not what they have",
  },
  { cells: "user.role", because: "who may do something; whatever they do is in the audit log" },
  { cells: "account.created_at", because: "is shown" },
  // Keys.
  {
    cells: "api_key.prefix api_key.last_four api_key.created_at api_key.last_used_at api_key.deleted_at",
    because: "is shown",
  },
  {
    cells: "api_key.secret_hash api_key.previous_secret_hash api_key.previous_secret_expires",
    because: "who may call with it; it follows a new secret key by itself, without an act",
  },
  {
    cells: "api_key.id api_key.user_id",
    because: "of keys that never held anything; those that did are proven by their holds",
  },
  // Rate limits.
  {
    cells: "allowance.milli_requests allowance.milli_tokens allowance.refilled_at hold.taken_tokens",
    because: "a bucket is full again after a minute",
  },
  // Holds.
  { cells: "hold.*", when: isIn("released"), because: "it came to nothing" },
  {
    cells:
      "hold.first_byte_at hold.upstream_response_id hold.observed_output_tokens hold.estimated_input_tokens " +
      "hold.input_tokens_bound hold.instance_id hold.instance_epoch hold.created_at hold.dispatched_at",
    because: "what is known of a request under way; once it is settled its charge stands for it",
  },
  {
    cells: "hold.api_key_id hold.price_version_id hold.endpoint hold.model hold.id",
    when: isIn("open"),
    because:
      "of a request under way: its settlement is reckoned by what its process knows, and its charge is compared with it",
  },
  { cells: "hold.amount_nano_usd hold.is_limited", when: isIn("captured"), because: "nothing is held by it any more" },
  // Charges.
  {
    cells:
      "charge.served_model charge.service_tier charge.basis charge.flags charge.upstream_id charge.upstream_request_id " +
      "charge.upstream_response_id charge.status charge.is_stream charge.time_to_first_byte_ms charge.latency_ms",
    when: isUnboundCharge,
    because: "of charges that cost nothing, and of those from before entries were bound to them",
  },
  {
    cells: "adjustment.source adjustment.source_id adjustment.is_paid adjustment.note adjustment.actor_id",
    when: isUnboundCredit,
    because: "of credits from before entries were bound to them",
  },
  {
    cells: "price_version.retired_at",
    when: ({ retired_at }) => retired_at === null,
    because: "retiring is an act, and takes back no charge; once it has happened, heads count its time",
  },
  // Codes.
  { cells: "redeem_batch.created_at", because: "is shown; the audit log has its time" },
  // Named requests.
  {
    cells:
      "idempotency.key idempotency.body_digest idempotency.hold_id idempotency.status idempotency.content_type " +
      "idempotency.answer idempotency.created_at idempotency.expires_at",
    because: "what a client gets again for a day; its charge stands by itself",
  },
];

/** Why the cell decides nothing; null: it has to be noticed. */
export function whyNothing(table: string, column: string, row: Row, unbound: Unbound): string | null {
  const line = lines.find(({ cells, when }) => {
    const names = cells.split(" ");
    return (names.includes(`${table}.${column}`) || names.includes(`${table}.*`)) && (!when || when(row, unbound));
  });
  return line?.because ?? null;
}

/** Tables that may be empty where every cell has to be noticed. */
export const wholeTables: string[] = lines.flatMap(({ cells, when }) =>
  when ? [] : cells.split(" ").flatMap((cell) => (cell.endsWith(".*") ? [cell.slice(0, -2)] : [])),
);

/** `table.column` of each line, to look whether they are there. */
export const listedCells: string[] = lines.flatMap(({ cells }) => cells.split(" "));
