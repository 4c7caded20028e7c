/** A month of calls, written by a few statements as the gateway would have written them one by one: `verify` finds them sound. */
import type { Database } from "@codex-gateway/db";

/** Fewer calls at weekends and at night, more from week to week; five models, of which the small ones serve most. */
const calls = `
CREATE TEMP TABLE month_price AS
  SELECT m.model, m.upto, v.id, (v.base->>'input')::numeric AS input,
    coalesce(v.base->>'cached_input', v.base->>'input')::numeric AS cached, (v.base->>'output')::numeric AS output, v.markup_ppm
  FROM (VALUES ('gpt-5-mini', 0.42), ('gpt-5', 0.66), ('gpt-4.1', 0.82), ('gpt-4o-mini', 0.92), ('gpt-6-sol', 1.0)) m(model, upto)
  CROSS JOIN LATERAL (
    SELECT p.id, p.prices->'bands'->0->'picoUsdPerUnit' AS base, p.markup_ppm FROM price_version p
    WHERE p.retired_at IS NULL AND m.model LIKE replace(p.model, '*', '%')
    ORDER BY p.model = m.model DESC, length(p.model) DESC LIMIT 1) v;
CREATE TEMP TABLE month_key AS
  SELECT k.id AS key_id, a.id AS account_id, sum(w.weight) OVER (ORDER BY k.id) - w.weight AS low, sum(w.weight) OVER (ORDER BY k.id) AS high
  FROM api_key k JOIN account a ON a.user_id = k.user_id AND a.kind = 'wallet'
  CROSS JOIN LATERAL (SELECT CASE WHEN k.user_id = $USER THEN 120 / (1 + (SELECT count(*) FROM api_key o WHERE o.user_id = k.user_id AND o.created_at < k.created_at)) ELSE 1.5 * (1 + get_byte(decode(md5(k.name || k.last_four), 'hex'), 0) % 5) END AS weight) w
  WHERE k.status = 'active';
CREATE TEMP TABLE month_call AS
  WITH moment AS MATERIALIZED (
    SELECT c, now() - interval '3 minutes' - random() * interval '29 days 20 hours' AS at, random() AS chance, random() AS model_pick,
      random() AS key_pick, exp(random() * 3.2) AS size, 600 + floor(random() ^ 2 * 14000)::int AS latency_ms
    FROM generate_series(1, 24000) c),
  kept AS (
    SELECT * FROM moment WHERE chance <
      CASE WHEN extract(isodow FROM at AT TIME ZONE 'Asia/Shanghai') >= 6 THEN 0.3 ELSE 0.75 END
      * CASE WHEN extract(hour FROM at AT TIME ZONE 'Asia/Shanghai') BETWEEN 8 AND 21 THEN 1 ELSE 0.25 END
      * (1 - 0.5 * extract(epoch FROM now() - at) / 2592000)
      * (0.75 + 0.5 * get_byte(decode(md5(at::date::text), 'hex'), 0) / 255)),
  sized AS (
    SELECT kept.*, floor(900 * size)::bigint AS input, floor(random() * 3000 * size)::bigint AS cached,
      floor(120 + random() * 260 * size)::bigint AS output FROM kept)
  SELECT s.at, s.latency_ms, s.input, s.cached, s.output, k.key_id, k.account_id, p.id AS price_version_id, p.model,
    floor(((s.input * p.input + s.cached * p.cached + s.output * p.output) * p.markup_ppm + 500000000) / 1000000000)::bigint AS cost,
    (substr(i.hex, 1, 8) || '-' || substr(i.hex, 9, 4) || '-7' || substr(i.rest, 1, 3) || '-8' || substr(i.rest, 4, 3) || '-' || substr(i.rest, 7, 12))::uuid AS id
  FROM sized s
  JOIN month_key k ON s.key_pick * (SELECT max(high) FROM month_key) >= k.low AND s.key_pick * (SELECT max(high) FROM month_key) < k.high
  CROSS JOIN LATERAL (SELECT * FROM month_price m WHERE s.model_pick < m.upto ORDER BY m.upto LIMIT 1) p
  CROSS JOIN LATERAL (SELECT lpad(to_hex((extract(epoch FROM s.at) * 1000)::bigint), 12, '0') AS hex, md5(s.c::text) AS rest) i;`;

/** Over a window, every row gets its own link of its account's chain; it begins behind the link `head`. */
const chain = `
CREATE OR REPLACE FUNCTION pg_temp.link(link bytea, head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint)
  RETURNS bytea LANGUAGE plpgsql STABLE AS
  'BEGIN RETURN entry_hash(coalesce(link, head), ''capture'', ref, amount, balance_after, seq); END';
CREATE OR REPLACE AGGREGATE pg_temp.capture_chain(head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint) (
  SFUNC = pg_temp.link, STYPE = bytea);`;

const books = `
INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model, input_tokens_bound,
    instance_id, instance_epoch, state, created_at, dispatched_at, settled_at)
  SELECT id, account_id, key_id, cost * 2, price_version_id, 'responses', model, input + cached,
    '00000000-0000-4000-8000-000000000000', 1, 'captured', at, at, at + latency_ms * interval '1 millisecond' FROM month_call ORDER BY id;
INSERT INTO charge (hold_id, account_id, api_key_id, created_at, endpoint, model, served_model, usage, price_version_id,
    cost_nano_usd, basis, status, is_stream, time_to_first_byte_ms, latency_ms)
  SELECT id, account_id, key_id, at + latency_ms * interval '1 millisecond', 'responses', model, model,
    jsonb_build_object('input', input, 'cached_input', cached, 'output', output), price_version_id, cost, 'exact', 200,
    true, latency_ms / 4, latency_ms FROM month_call ORDER BY id;
INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, created_at)
  SELECT e.account_id, e.seq, 'capture', e.id, -e.cost, e.balance_after,
    pg_temp.capture_chain(e.head, e.id, -e.cost, e.balance_after, e.seq) OVER (PARTITION BY e.account_id ORDER BY e.seq),
    e.at + e.latency_ms * interval '1 millisecond'
  FROM (SELECT c.account_id, c.id, c.cost, c.at, c.latency_ms, a.head_hash AS head, a.seq + row_number() OVER w AS seq,
          a.balance_nano_usd - (sum(c.cost) OVER w)::bigint AS balance_after
        FROM month_call c JOIN account a ON a.id = c.account_id
        WHERE c.cost > 0 WINDOW w AS (PARTITION BY c.account_id ORDER BY c.id ROWS UNBOUNDED PRECEDING)) e;
UPDATE account a SET balance_nano_usd = e.balance_after_nano_usd, seq = e.account_seq, head_hash = e.hash
  FROM (SELECT DISTINCT ON (account_id) account_id, account_seq, balance_after_nano_usd, hash FROM ledger_entry
        ORDER BY account_id, account_seq DESC) e
  WHERE a.id = e.account_id;
INSERT INTO usage_rollup AS r (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
  SELECT account_id, key_id, model, date_trunc('hour', at + latency_ms * interval '1 millisecond') AS hour, count(*),
    sum(input + cached), sum(output), sum(cost)
  FROM month_call GROUP BY account_id, hour, key_id, model
  ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET requests = r.requests + excluded.requests,
    input_tokens = r.input_tokens + excluded.input_tokens, output_tokens = r.output_tokens + excluded.output_tokens,
    cost_nano_usd = r.cost_nano_usd + excluded.cost_nano_usd;
UPDATE api_key k SET last_used_at = u.at FROM (SELECT key_id, max(at) AS at FROM month_call GROUP BY key_id) u WHERE u.key_id = k.id;
DROP TABLE month_price, month_key, month_call;`;

/** Every key that is there gets its share; those of `userId` the most. The wallets must hold enough. */
export async function fillMonthOfUse({ pool }: Pick<Database, "pool">, userId: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("SELECT setseed(0.42)");
    for (const sql of [calls, chain, books]) await client.query(sql.replaceAll("$USER", `'${userId}'`));
    await client.query("COMMIT");
  } finally {
    client.release();
  }
}
