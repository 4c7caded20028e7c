/**
 * A database that looks years old: users, keys, and charges with their holds, entries and roll-ups, written by a few
 * statements as the gateway would have written them one by one. `verify` finds its books sound. The same figures make
 * the same house, but for its ids. One user of it, the heaviest, has a tenth of all charges.
 */
import type { Database } from "@codex-gateway/db";

export type HouseSize = { users: number; charges: number };
export type BigHouse = { heaviestUserId: string };

/** What BENCH_USERS and BENCH_CHARGES say, else the size that the product is held to. */
export const wantedHouseSize = (): HouseSize => ({
  users: Number(process.env.BENCH_USERS ?? 10_000),
  charges: Number(process.env.BENCH_CHARGES ?? 1_000_000),
});

const days = 90;
const models = ["gpt-4o-mini", "gpt-5-mini", "gpt-5", "gpt-4.1", "gpt-6-sol"];

const people = `
CREATE TEMP TABLE house_user AS
  SELECT n, gen_random_uuid() AS user_id, gen_random_uuid() AS account_id, 1 + n % 3 AS key_count,
    now() - interval '${days} days' - random() * interval '400 days' AS created_at
  FROM generate_series(0, $USERS - 1) n;
CREATE UNIQUE INDEX ON house_user (n);
INSERT INTO "user" (id, email, password_hash, status, created_at)
  SELECT user_id, 'person' || lpad(n::text, 6, '0') || '@example.com', '-',
    CASE WHEN n % 40 = 7 THEN 'suspended' ELSE 'active' END::user_status, created_at FROM house_user;
INSERT INTO account (id, kind, user_id, created_at) SELECT account_id, 'wallet', user_id, created_at FROM house_user;
CREATE TEMP TABLE house_key AS
  SELECT u.n, k, gen_random_uuid() AS key_id FROM house_user u, generate_series(0, u.key_count - 1) k;
CREATE UNIQUE INDEX ON house_key (n, k);
INSERT INTO api_key (id, user_id, name, prefix, last_four, secret_hash, created_at)
  SELECT h.key_id, u.user_id, 'key ' || h.k, 'sk-cg-' || substr(h.key_id::text, 1, 6), right(h.key_id::text, 4),
    sha256(convert_to(h.key_id::text, 'UTF8')), u.created_at
  FROM house_key h JOIN house_user u USING (n);
SELECT append_audit(u.user_id, 'person' || lpad(u.n::text, 6, '0') || '@example.com', 'register', 'user', u.user_id::text,
  '203.0.113.' || u.n % 250, '{}') FROM house_user u;`;

/** Prices of the base band: every request of the house stays in it. A class without a price costs its plain class's. */
const prices = `
CREATE TEMP TABLE house_price AS
  SELECT m.ord - 1 AS m, v.id, v.model, (v.base->>'input')::numeric AS input,
    coalesce(v.base->>'cached_input', v.base->>'input')::numeric AS cached, (v.base->>'output')::numeric AS output, v.markup_ppm
  FROM unnest($MODELS::text[]) WITH ORDINALITY AS m(model, ord)
  CROSS JOIN LATERAL (
    SELECT p.id, p.model, p.prices->'bands'->0->'picoUsdPerUnit' AS base, p.markup_ppm FROM price_version p
    WHERE p.retired_at IS NULL AND m.model LIKE replace(p.model, '*', '%')
    ORDER BY p.model = m.model DESC, length(p.model) DESC LIMIT 1) v;`;

/** Ids rise with time (UUID version 7); most users call a little, a few call much. */
const calls = `
CREATE TEMP TABLE house_call AS
  WITH call AS (
    SELECT c.c, now() - interval '2 minutes' - ($CHARGES - c.c) * (interval '${days} days' / $CHARGES) AS at,
      CASE WHEN c.c % 10 = 0 THEN 0 ELSE floor($USERS * random() ^ 2)::int END AS n,
      200 + floor(random() * 4000)::bigint AS input, floor(random() * 2000)::bigint AS cached,
      20 + floor(random() * 900)::bigint AS output, 300 + floor(random() * 9000)::int AS latency_ms
    FROM generate_series(1, $CHARGES) c)
  SELECT call.*, u.account_id, k.key_id, p.id AS price_version_id, p.model,
    floor(((call.input * p.input + call.cached * p.cached + call.output * p.output) * p.markup_ppm + 500000000) / 1000000000)::bigint AS cost,
    (substr(i.hex, 1, 8) || '-' || substr(i.hex, 9, 4) || '-7' || substr(i.rest, 1, 3) || '-8' || substr(i.rest, 4, 3) || '-' || substr(i.rest, 7, 12))::uuid AS id
  FROM call
  JOIN house_user u ON u.n = call.n
  JOIN house_key k ON k.n = call.n AND k.k = call.c % u.key_count
  JOIN house_price p ON p.m = (call.c * 7 + call.n) % $MODEL_COUNT
  CROSS JOIN LATERAL (SELECT lpad(to_hex((extract(epoch FROM call.at) * 1000)::bigint), 12, '0') AS hex,
    md5(call.c::text) AS rest) i;
INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model, input_tokens_bound,
    instance_id, instance_epoch, state, created_at, dispatched_at, settled_at)
  SELECT id, account_id, key_id, cost * 2, price_version_id, 'chat.completions', model, input + cached,
    '00000000-0000-4000-8000-000000000000', 1, 'captured', at, at, at + latency_ms * interval '1 millisecond' FROM house_call ORDER BY id;
INSERT INTO charge (hold_id, account_id, api_key_id, created_at, endpoint, model, served_model, usage, price_version_id,
    cost_nano_usd, basis, status, is_stream, time_to_first_byte_ms, latency_ms)
  SELECT id, account_id, key_id, at + latency_ms * interval '1 millisecond', 'chat.completions', model, model,
    jsonb_build_object('input', input, 'cached_input', cached, 'output', output), price_version_id, cost, 'exact', 200,
    c % 2 = 0, latency_ms / 4, latency_ms FROM house_call ORDER BY id;`;

/** Over a window, every row gets its own link of its account's chain; it begins behind the link `head`. */
const chain = `
CREATE OR REPLACE FUNCTION pg_temp.link(link bytea, head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint)
  RETURNS bytea LANGUAGE plpgsql STABLE AS
  'BEGIN RETURN entry_hash(coalesce(link, head), ''capture'', ref, amount, balance_after, seq); END';
CREATE OR REPLACE AGGREGATE pg_temp.capture_chain(head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint) (
  SFUNC = pg_temp.link, STYPE = bytea);`;

/** A paid top-up first, then every capture: each entry is a link of its account's chain. */
const books = `
CREATE TEMP TABLE house_top_up AS
  SELECT u.account_id, gen_random_uuid() AS id, coalesce(sum(h.cost), 0)::bigint + 10500000000 AS amount, u.created_at
  FROM house_user u LEFT JOIN house_call h USING (n) GROUP BY u.account_id, u.created_at;
INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid, note, created_at)
  SELECT id, account_id, 'admin', id::text, amount, true, '', created_at FROM house_top_up;
INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, created_at)
  SELECT account_id, 1, 'adjustment', id, amount, amount,
    entry_hash(decode(repeat('00', 32), 'hex'), 'adjustment', id, amount, amount, 1), created_at FROM house_top_up;
INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, created_at)
  SELECT e.account_id, e.seq, 'capture', e.id, -e.cost, e.balance_after,
    pg_temp.capture_chain(e.head, e.id, -e.cost, e.balance_after, e.seq) OVER (PARTITION BY e.account_id ORDER BY e.seq), e.at
  FROM (SELECT h.account_id, h.id, h.cost, h.at + h.latency_ms * interval '1 millisecond' AS at, first.hash AS head,
          1 + row_number() OVER w AS seq, t.amount - (sum(h.cost) OVER w)::bigint AS balance_after
        FROM house_call h JOIN house_top_up t USING (account_id)
        JOIN ledger_entry first ON first.account_id = h.account_id AND first.account_seq = 1
        WHERE h.cost > 0 WINDOW w AS (PARTITION BY h.account_id ORDER BY h.id ROWS UNBOUNDED PRECEDING)) e;
UPDATE account a SET balance_nano_usd = e.balance_after_nano_usd, seq = e.account_seq, head_hash = e.hash
  FROM (SELECT DISTINCT ON (account_id) account_id, account_seq, balance_after_nano_usd, hash FROM ledger_entry
        WHERE account_id IN (SELECT account_id FROM house_user) ORDER BY account_id, account_seq DESC) e
  WHERE a.id = e.account_id;
INSERT INTO usage_rollup (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
  SELECT account_id, key_id, model, date_trunc('hour', at + latency_ms * interval '1 millisecond') AS hour, count(*),
    sum(input + cached), sum(output), sum(cost)
  FROM house_call GROUP BY account_id, hour, key_id, model ORDER BY account_id, hour;`;

const leave = "DROP TABLE house_user, house_key, house_price, house_call, house_top_up;";

/** Adds a house of that size to a migrated database whose price book is filled. Takes about two minutes for a million charges. */
export async function fillBigHouse({ pool }: Pick<Database, "pool">, size: HouseSize): Promise<BigHouse> {
  const client = await pool.connect();
  const filled = (sql: string) =>
    sql
      .replaceAll("$USERS", String(size.users))
      .replaceAll("$CHARGES", String(size.charges))
      .replaceAll("$MODEL_COUNT", String(models.length))
      .replaceAll("$MODELS", `'{${models.join(",")}}'`);
  try {
    await client.query("BEGIN");
    await client.query("SET LOCAL work_mem = '256MB'");
    await client.query("SELECT setseed(0.42)");
    for (const sql of [people, prices, calls, chain, books]) await client.query(filled(sql));
    const { rows } = await client.query<{ user_id: string }>("SELECT user_id FROM house_user WHERE n = 0");
    await client.query(leave);
    await client.query("COMMIT");
    // As autovacuum leaves it: with statistics, and with pages known to be visible to all.
    await client.query("VACUUM ANALYZE");
    return { heaviestUserId: rows[0]?.user_id ?? "" };
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
