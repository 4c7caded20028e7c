/** The statements of `verify` about what is summed up or counted beside the chains: each figure is made again from its rows. */

/** Requests by hour: by these the roll-ups are cut into windows, each of some charges. */
export const hoursSql = `SELECT hour::text, sum(requests)::bigint AS requests FROM usage_rollup GROUP BY hour ORDER BY hour`;

/**
 * $1, $2: a window, its end excluded. $3: before this, tokens may be fewer than today's rule counts: earlier versions left
 * some classes out. Charges count in the hour in which they were written, true-ups in theirs, as no request.
 */
export const rollupsSql = `WITH parts AS (
    SELECT c.account_id, c.api_key_id, c.model, c.created_at, 1 AS requests, t.input_tokens, t.output_tokens, c.cost_nano_usd
    FROM charge c CROSS JOIN LATERAL token_sums(c.usage) t
    WHERE c.created_at >= $1::timestamptz AND c.created_at < $2::timestamptz
    UNION ALL
    SELECT c.account_id, c.api_key_id, c.model, u.created_at, 0, n.input_tokens - t.input_tokens,
      n.output_tokens - t.output_tokens, u.cost_nano_usd - u.charged_nano_usd
    FROM true_up u JOIN charge c ON c.hold_id = u.hold_id
      CROSS JOIN LATERAL token_sums(c.usage) t CROSS JOIN LATERAL token_sums(u.usage) n
    WHERE u.created_at >= $1::timestamptz AND u.created_at < $2::timestamptz
  ), summed AS (
    SELECT account_id, api_key_id, model, date_trunc('hour', created_at) AS hour, sum(requests) AS requests,
      sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cost_nano_usd) AS cost_nano_usd
    FROM parts GROUP BY 1, 2, 3, 4
  ), rolled AS (
    SELECT * FROM usage_rollup WHERE hour >= $1::timestamptz AND hour < $2::timestamptz
  ), hours AS (
    SELECT hour, sum(requests) AS requests, sum(input_tokens + output_tokens) AS tokens, sum(cost_nano_usd) AS cost_nano_usd
    FROM rolled GROUP BY hour
  ), known AS (
    SELECT * FROM usage_hour WHERE hour >= $1::timestamptz AND hour < $2::timestamptz
  ), figures AS (
    SELECT r.requests IS DISTINCT FROM s.requests OR r.cost_nano_usd IS DISTINCT FROM s.cost_nano_usd
      OR CASE WHEN hour < $3::timestamptz THEN r.input_tokens > s.input_tokens OR r.output_tokens > s.output_tokens
         ELSE r.input_tokens <> s.input_tokens OR r.output_tokens <> s.output_tokens END AS is_wrong
    FROM rolled r FULL JOIN summed s USING (account_id, api_key_id, model, hour)
    UNION ALL
    SELECT ROW(k.requests, k.tokens, k.cost_nano_usd) IS DISTINCT FROM ROW(h.requests, h.tokens, h.cost_nano_usd)
    FROM known k FULL JOIN hours h USING (hour)
    WHERE hour <= (SELECT max(hour) FROM usage_hour)
  )
  SELECT count(*) AS checked, count(*) FILTER (WHERE is_wrong) AS breaches FROM figures`;

/** What limits count as under way, against the open holds of the key or wallet. */
export const allowancesSql = `SELECT count(*) AS checked, count(*) FILTER (WHERE w.subject_id IS NULL
      OR w.in_flight <> coalesce(open.requests, 0) OR w.held_nano_usd <> coalesce(open.held, 0)
      OR NOT EXISTS (SELECT 1 FROM api_key k WHERE k.id = w.subject_id)
        AND NOT EXISTS (SELECT 1 FROM account a WHERE a.id = w.subject_id)) AS breaches
  FROM allowance w FULL JOIN (
    SELECT s.id, count(*) AS requests, sum(h.amount_nano_usd) AS held
    FROM hold h CROSS JOIN LATERAL (VALUES (h.api_key_id), (h.account_id)) AS s(id)
    WHERE h.state = 'open' AND h.is_limited GROUP BY s.id) open ON open.id = w.subject_id`;

/** Batches of codes against the line that the audit log has of each. */
export const batchesSql = `WITH made AS (
    SELECT target_id, actor_id, details->'after' AS after, details->>'codesDigest' AS digest FROM audit_log WHERE action = 'create_codes'
  ), codes AS (
    SELECT batch_id, count(*) AS count, encode(sha256(string_agg(code_hash, '' ORDER BY code_hash)), 'hex') AS digest
    FROM redeem_code GROUP BY batch_id
  )
  SELECT count(*) AS checked, count(*) FILTER (WHERE m.target_id IS NULL OR b.id IS NULL OR c.count IS DISTINCT FROM b.code_count
      OR m.actor_id IS DISTINCT FROM b.created_by OR (m.after->>'amountUsd')::numeric * 1000000000 <> b.amount_nano_usd
      OR (m.after->>'count')::int <> b.code_count OR m.after->>'note' <> b.note
      OR (m.after->>'expiresAt')::timestamptz IS DISTINCT FROM b.expires_at
      OR m.digest <> c.digest) AS breaches
  FROM redeem_batch b FULL JOIN made m ON m.target_id = b.id::text LEFT JOIN codes c ON c.batch_id = b.id`;

/** Redeemed codes against what was credited for each. */
export const codesSql = `SELECT count(*) AS checked, count(*) FILTER (WHERE c.code_hash IS NULL OR b.id IS NULL
      OR (c.redeemed_at IS NULL) <> (t.id IS NULL)
      OR t.id IS NOT NULL AND ROW(t.amount_nano_usd, t.created_at, t.user_id)
        IS DISTINCT FROM ROW(b.amount_nano_usd, c.redeemed_at, c.redeemed_by)) AS breaches
  FROM redeem_code c FULL JOIN (
    SELECT t.*, a.user_id FROM top_up t LEFT JOIN account a ON a.id = t.account_id WHERE t.source = 'redeem_code') t
    ON t.source_id = encode(c.code_hash, 'hex')
  LEFT JOIN redeem_batch b ON b.id = c.batch_id`;

/** Named requests against the key of their hold; between a claim and its hold lie milliseconds. */
export const idempotencySql = `SELECT count(*) AS checked, count(*) FILTER (WHERE h.api_key_id <> i.api_key_id) AS breaches
  FROM idempotency i LEFT JOIN hold h ON h.id = i.hold_id`;

/** The newest line of the audit log that has one of them, by whom it is about. */
const newestActs = (actions: string[]) => `SELECT DISTINCT ON (target_id) target_id, action, details->'after' AS after
  FROM audit_log WHERE action IN (${actions.map((action) => `'${action}'`).join(", ")}) ORDER BY target_id, id DESC`;

/** What limits a key or user, against the newest act that set it; keys from before acts said it are passed over. */
export const limitsSql = `WITH policy AS (${newestActs(["create_key", "update_key"])}),
  state AS (${newestActs(["create_key", "enable_key", "disable_key", "delete_key"])}),
  user_limits AS (${newestActs(["update_limits"])}), user_state AS (${newestActs(["update_status"])}),
  figures AS (
    SELECT p.after ? 'monthlyBudgetNanoUsd' AND ROW(k.name, k.expires_at, k.requests_per_minute, k.tokens_per_minute,
        k.concurrent_requests, k.daily_budget_nano_usd, k.monthly_budget_nano_usd, to_jsonb(k.allowed_models),
        to_jsonb(k.allowed_endpoints), to_jsonb(k.allowed_addresses))
      IS DISTINCT FROM ROW(p.after->>'name', (p.after->>'expiresAt')::timestamptz, (p.after->>'requestsPerMinute')::int,
        (p.after->>'tokensPerMinute')::int, (p.after->>'concurrentRequests')::int,
        (p.after->>'dailyBudgetNanoUsd')::bigint, (p.after->>'monthlyBudgetNanoUsd')::bigint, p.after->'allowedModels',
        p.after->'allowedEndpoints', p.after->'allowedAddresses')
      OR k.status::text <> CASE s.action WHEN 'delete_key' THEN 'deleted' WHEN 'disable_key' THEN 'disabled' ELSE 'active' END
      AS is_wrong
    FROM api_key k JOIN policy p ON p.target_id = k.id::text JOIN state s ON s.target_id = k.id::text
    UNION ALL
    SELECT ROW(u.requests_per_minute, u.tokens_per_minute, u.concurrent_requests) IS DISTINCT FROM ROW(
      (l.after->>'requestsPerMinute')::int, (l.after->>'tokensPerMinute')::int, (l.after->>'concurrentRequests')::int)
    FROM "user" u JOIN user_limits l ON l.target_id = u.id::text
    UNION ALL
    SELECT u.status::text <> s.after #>> '{}' FROM "user" u JOIN user_state s ON s.target_id = u.id::text
  )
  SELECT count(*) AS checked, count(*) FILTER (WHERE is_wrong) AS breaches FROM figures`;
