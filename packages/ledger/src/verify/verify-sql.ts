/**
 * The statements of `verify`. Each looks at one chunk and at nothing before it, but for the one row that the chunk's first
 * row is chained to.
 */

const noLink = "decode(repeat('00', 32), 'hex')";

/** Each account against its newest entry and against its open holds. */
export const accountsSql = `SELECT count(*) AS checked,
    count(*) FILTER (WHERE a.balance_nano_usd <> coalesce(newest.balance_after_nano_usd, 0)) AS balance,
    count(*) FILTER (WHERE a.held_nano_usd <> coalesce(open.held, 0)) AS held,
    count(*) FILTER (WHERE NOT (a.balance_nano_usd >= a.held_nano_usd AND a.held_nano_usd >= 0)) AS negative,
    count(*) FILTER (WHERE a.seq <> coalesce(newest.account_seq, 0) OR a.head_hash <> coalesce(newest.hash, ${noLink})) AS head,
    count(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM "user" u WHERE u.id = a.user_id)) AS lost
  FROM account a
  LEFT JOIN LATERAL (
    SELECT * FROM ledger_entry e WHERE e.account_id = a.id ORDER BY e.account_seq DESC LIMIT 1) newest ON true
  LEFT JOIN (
    SELECT account_id, sum(amount_nano_usd) AS held FROM hold WHERE state = 'open' GROUP BY account_id) open
    ON open.account_id = a.id`;

/** What an entry adds to what users have: a debt that falls is money, too. */
const signedAmount = "sum(CASE a.kind WHEN 'wallet' THEN e.amount_nano_usd ELSE -e.amount_nano_usd END)";

/** Top-ups and adjustments against their entries; a debt that was paid with them counts. A refund is what its charge cost. */
export const creditsSql = `SELECT count(*) AS checked,
    count(*) FILTER (WHERE credit.amount_nano_usd IS DISTINCT FROM (
        SELECT ${signedAmount} FROM ledger_entry e JOIN account a ON a.id = e.account_id
        WHERE e.kind = credit.kind AND e.ref = credit.id)
      OR credit.refunded IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM corrected_charge c WHERE c.hold_id::text = credit.refunded AND c.account_id = credit.account_id
          AND c.cost_nano_usd = credit.amount_nano_usd)) AS breaches
  FROM (SELECT id, account_id, amount_nano_usd, 'top_up'::entry_kind AS kind, NULL AS refunded FROM top_up
        UNION ALL SELECT id, account_id, amount_nano_usd, 'adjustment', CASE source WHEN 'refund' THEN source_id END
        FROM adjustment) credit`;

export const orphansSql = `SELECT count(*) AS checked,
    count(*) FILTER (WHERE h.created_at < now() - interval '35 seconds'
      AND (i.id IS NULL OR i.epoch > h.instance_epoch OR i.lease_until < now() - interval '35 seconds')) AS breaches
  FROM hold h LEFT JOIN instance i ON i.id = h.instance_id WHERE h.state = 'open'`;

/** $1, $2: the last entry that was looked at. Its link and balance are what the next one of its account is made from. */
export const entriesSql = `WITH chunk AS MATERIALIZED (
    (SELECT * FROM ledger_entry WHERE account_id = $1 AND account_seq = $2)
    UNION ALL
    (SELECT * FROM ledger_entry WHERE (account_id, account_seq) > ($1, $2::bigint) ORDER BY account_id, account_seq LIMIT $3)
  ), chain AS (
    SELECT c.*, (c.account_id, c.account_seq) > ($1, $2::bigint) AS is_new, coalesce(lag(hash) OVER w, ${noLink}) AS previous,
      coalesce(lag(balance_after_nano_usd) OVER w, 0) + amount_nano_usd AS expected_balance,
      coalesce(lag(account_seq) OVER w, 0) + 1 AS expected_seq, lag(hash_version) OVER w AS version_before
    FROM chunk c WINDOW w AS (PARTITION BY account_id ORDER BY account_seq)
  ), checked AS (
    SELECT c.account_id, c.account_seq, c.created_at, c.hash_version,
      c.balance_after_nano_usd <> c.expected_balance AS is_balance_wrong,
      c.account_seq <> c.expected_seq OR c.hash_version < c.version_before OR c.hash IS DISTINCT FROM CASE c.hash_version
        WHEN 1 THEN entry_hash(c.previous, c.kind, c.ref, c.amount_nano_usd, c.balance_after_nano_usd, c.account_seq)
        ELSE entry_link(c.previous, c.kind, c.ref, c.amount_nano_usd, c.balance_after_nano_usd, c.account_seq, s.digest)
      END AS is_link_wrong,
      s.wallet IS NULL AS is_unfounded,
      a.id IS NULL OR s.wallet IS NOT NULL AND (s.written_at <> c.created_at OR a.kind = 'wallet' AND a.id <> s.wallet
        -- A subquery is a look into the index for each entry; as a join it was a scan of all accounts for each.
        OR a.user_id IS DISTINCT FROM (SELECT w.user_id FROM account w WHERE w.id = s.wallet AND w.kind = 'wallet'))
        AS is_lost
    FROM chain c
    LEFT JOIN LATERAL entry_subject(c.kind, c.ref) s ON true
    LEFT JOIN account a ON a.id = c.account_id
    WHERE c.is_new
  )
  SELECT count(*) AS checked, count(*) FILTER (WHERE is_balance_wrong) AS balances,
    count(*) FILTER (WHERE is_link_wrong) AS links, count(*) FILTER (WHERE is_unfounded) AS unfounded,
    count(*) FILTER (WHERE is_lost) AS lost, max(created_at) FILTER (WHERE hash_version = 1) AS unbound_until,
    (SELECT account_id FROM checked ORDER BY account_id DESC, account_seq DESC LIMIT 1) AS last_account,
    (SELECT account_seq FROM checked ORDER BY account_id DESC, account_seq DESC LIMIT 1) AS last_seq
  FROM checked`;

/** $1: the last hold that was looked at. Holds and charges of one span of ids, and what was entered for each charge. */
export const chargesSql = `WITH holds AS MATERIALIZED (
    SELECT * FROM hold WHERE id > $1 ORDER BY id LIMIT $2
  ), span AS MATERIALIZED (
    SELECT CASE WHEN (SELECT count(*) FROM holds) < $2 THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'
      ELSE (SELECT id FROM holds ORDER BY id DESC LIMIT 1) END AS last
  ), charges AS MATERIALIZED (
    SELECT * FROM charge WHERE hold_id > $1 AND hold_id <= (SELECT last FROM span)
  )
  SELECT coalesce(h.id, c.hold_id) AS id, h.id IS NOT NULL AS is_hold, c.hold_id IS NOT NULL AS is_charge,
    coalesce(h.state = 'captured', false) AS is_captured, c.usage, c.service_tier, c.cost_nano_usd, c.price_version_id,
    h.id IS NULL OR (h.state = 'open') <> (h.settled_at IS NULL)
      OR c.hold_id IS NOT NULL AND ROW(c.account_id, c.api_key_id, c.endpoint, c.model, c.price_version_id, c.created_at)
        IS DISTINCT FROM ROW(h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, h.settled_at)
      OR NOT EXISTS (SELECT 1 FROM account a JOIN api_key k ON k.user_id = a.user_id
        WHERE a.id = h.account_id AND a.kind = 'wallet' AND k.id = h.api_key_id)
      OR NOT EXISTS (SELECT 1 FROM price_version p WHERE p.id = h.price_version_id) AS is_lost,
    CASE WHEN c.hold_id IS NOT NULL THEN coalesce((
      SELECT ${signedAmount} FROM ledger_entry e JOIN account a ON a.id = e.account_id
      WHERE e.kind IN ('capture', 'debt') AND e.ref = c.hold_id), 0)::bigint END AS entered_nano_usd
  FROM holds h FULL JOIN charges c ON c.hold_id = h.id
  ORDER BY 1`;

/** $1: the last true-up that was looked at. What it corrected is the charge's cost, and its entries are the difference. */
export const trueUpsSql = `SELECT t.hold_id AS id, t.usage, t.service_tier, t.cost_nano_usd, c.price_version_id,
    c.hold_id IS NULL OR c.account_id <> t.account_id AS is_lost, c.cost_nano_usd IS DISTINCT FROM t.charged_nano_usd
      OR t.charged_nano_usd - t.cost_nano_usd <> coalesce((
        SELECT ${signedAmount} FROM ledger_entry e JOIN account a ON a.id = e.account_id
        WHERE e.kind = 'true_up' AND e.ref = t.hold_id), 0) AS is_wrong
  FROM true_up t LEFT JOIN charge c ON c.hold_id = t.hold_id
  WHERE t.hold_id > $1 ORDER BY t.hold_id LIMIT $2`;

/** $1: the last line that was looked at. At the end, the newest line must be the one that the log's head names. */
export const auditSql = `WITH chunk AS MATERIALIZED (
    (SELECT * FROM audit_log WHERE id = $1::bigint)
    UNION ALL
    (SELECT * FROM audit_log WHERE id > $1::bigint ORDER BY id LIMIT $2)
  ), chain AS (
    SELECT c.*, coalesce(lag(hash) OVER (ORDER BY id), ${noLink}) AS previous FROM chunk c
  ), checked AS (
    SELECT c.id, c.hash <> audit_link(c.previous, c.created_at, c.actor_id, c.actor_email, c.action, c.target_kind,
        c.target_id, c.address, c.details)
      AND c.hash <> audit_hash(c.previous, c.created_at, c.actor_id, c.action, c.target_kind, c.target_id, c.address,
        c.details) AS is_wrong
    FROM chain c WHERE c.id > $1::bigint
  )
  SELECT count(*) AS checked, (SELECT max(id) FROM checked) AS last_id,
    count(*) FILTER (WHERE is_wrong) + CASE WHEN count(*) < $2 AND
      (SELECT (l.id, l.hash) FROM audit_log l ORDER BY l.id DESC LIMIT 1) IS DISTINCT FROM (SELECT (h.last_id, h.hash) FROM audit_head h)
      THEN 1 ELSE 0 END AS breaches
  FROM checked`;
