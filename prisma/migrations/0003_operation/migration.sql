-- What running it needs: checkpoints of streams, the owner of an upstream's response, and word of every change.

-- Estimated from the prompt while its stream runs; null: nothing was written down before the process died.
ALTER TABLE hold ADD COLUMN estimated_input_tokens bigint;

-- Who may continue a response: the one who paid for it.
CREATE INDEX charge_response_idx ON charge (upstream_response_id)
  WHERE endpoint = 'responses' AND upstream_response_id IS NOT NULL;

-- The first start's one-time token; there is no owner while it stands here. One row at most.
CREATE TABLE setup (
  is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  token_hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Progress of streams. Not worth a wait for the disk: what is lost with it is an estimate.
CREATE FUNCTION checkpoint_holds(items jsonb) RETURNS void LANGUAGE sql SET synchronous_commit = off AS $$
  UPDATE hold SET first_byte_at = coalesce(first_byte_at, now()), upstream_response_id = i.upstream_response_id,
      observed_output_tokens = i.observed_output_tokens, estimated_input_tokens = i.estimated_input_tokens
    FROM jsonb_to_recordset(items) AS i(id uuid, upstream_response_id text, observed_output_tokens bigint,
      estimated_input_tokens bigint)
    WHERE hold.id = i.id AND hold.state = 'open';
$$;

-- Every process caches keys, upstreams, settings and prices; each change tells all of them what to forget.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('codex_gateway', TG_ARGV[0]);
  RETURN NULL;
END $$;
CREATE TRIGGER api_key_changed AFTER UPDATE OF name, secret_hash, previous_secret_hash, previous_secret_expires, status,
  allowed_models, allowed_endpoints, allowed_addresses, expires_at OR DELETE ON api_key
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('keys');
CREATE TRIGGER user_changed AFTER UPDATE OF status, role OR DELETE ON "user"
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('keys');
CREATE TRIGGER upstream_changed AFTER INSERT OR UPDATE OR DELETE ON upstream
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('upstreams');
CREATE TRIGGER setting_changed AFTER INSERT OR UPDATE OR DELETE ON setting
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('settings');
CREATE TRIGGER price_changed AFTER INSERT OR UPDATE ON price_version
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('prices');

-- Appends to the audit log, chained by hash; one at a time, so that the chain has one order.
CREATE FUNCTION append_audit(actor uuid, email text, act text, kind text, target text, from_address text, said jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  previous bytea;
  at timestamptz := clock_timestamp();
BEGIN
  PERFORM pg_advisory_xact_lock(7305112);
  SELECT hash INTO previous FROM audit_log ORDER BY id DESC LIMIT 1;
  INSERT INTO audit_log (created_at, actor_id, actor_email, action, target_kind, target_id, address, details, hash)
    VALUES (at, actor, email, act, kind, target, from_address, said,
      audit_hash(coalesce(previous, decode(repeat('00', 32), 'hex')), at, actor, act, kind, target, from_address, said));
END $$;
CREATE FUNCTION audit_hash(previous bytea, at timestamptz, actor uuid, act text, kind text, target text,
  from_address text, said jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(previous || convert_to(jsonb_build_array(extract(epoch FROM at)::text, actor, act, kind, target,
    from_address, said)::text, 'UTF8'));
$$;

-- The hot tables give up their foreign keys: each is a look-up and a row lock per written row, together a third of what
-- a request costs the database. hold_batch joins the account and the key that it names, settle_batch writes what it
-- found on the hold, and `verify` looks for rows that point nowhere.
ALTER TABLE hold DROP CONSTRAINT hold_account_id_fkey, DROP CONSTRAINT hold_api_key_id_fkey,
  DROP CONSTRAINT hold_price_version_id_fkey;
ALTER TABLE charge DROP CONSTRAINT charge_hold_id_fkey, DROP CONSTRAINT charge_account_id_fkey,
  DROP CONSTRAINT charge_price_version_id_fkey;
ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_account_id_fkey;
ALTER TABLE usage_rollup DROP CONSTRAINT usage_rollup_account_id_fkey;

-- Where every item of a batch can be held in full, which is nearly always, one statement does it. Anything else (money
-- that runs short, a suspended user, an item that is there already) is decided one by one.
ALTER FUNCTION hold_batch RENAME TO hold_one_by_one;
CREATE FUNCTION hold_batch(items jsonb) RETURNS TABLE (hold_id uuid, outcome text, granted_nano_usd bigint)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    WITH item AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(items) AS i(id uuid, account_id uuid, api_key_id uuid, amount bigint,
        price_version_id uuid, endpoint text, model text, input_tokens_bound bigint, instance_id uuid, instance_epoch bigint)
    ), judged AS (
      SELECT item.*, bool_and(coalesce(
          u.status = 'active' AND k.status = 'active' AND earlier.id IS NULL AND debt.balance_nano_usd IS NULL
            AND wanted.amount <= a.balance_nano_usd - a.held_nano_usd
            AND (a.balance_nano_usd > a.held_nano_usd OR wanted.amount = 0), false)) OVER () AS can_hold_all
      FROM item
      JOIN (SELECT account_id, sum(item.amount) AS amount FROM item GROUP BY account_id) wanted USING (account_id)
      LEFT JOIN account a ON a.id = item.account_id AND a.kind = 'wallet'
      LEFT JOIN "user" u ON u.id = a.user_id
      LEFT JOIN api_key k ON k.id = item.api_key_id AND k.user_id = a.user_id
      LEFT JOIN hold earlier ON earlier.id = item.id
      LEFT JOIN account debt ON debt.user_id = a.user_id AND debt.kind = 'receivable' AND debt.balance_nano_usd > 0
    ), held AS (
      INSERT INTO hold AS h (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
          input_tokens_bound, instance_id, instance_epoch, dispatched_at)
        SELECT j.id, j.account_id, j.api_key_id, j.amount, j.price_version_id, j.endpoint, j.model, j.input_tokens_bound,
          j.instance_id, j.instance_epoch, now()
        FROM judged j WHERE can_hold_all
      RETURNING h.id, h.account_id, h.amount_nano_usd
    ), taken AS (
      UPDATE account SET held_nano_usd = held_nano_usd + by_account.amount
        FROM (SELECT account_id, sum(amount_nano_usd)::bigint AS amount FROM held GROUP BY account_id) by_account
        WHERE account.id = by_account.account_id
    )
    SELECT held.id, 'held', held.amount_nano_usd FROM held;
  IF NOT FOUND THEN RETURN QUERY SELECT * FROM hold_one_by_one(items); END IF;
END $$;

-- As before, but the batch is read once for all that is written of it.
CREATE OR REPLACE FUNCTION settle_batch(items jsonb) RETURNS TABLE (hold_id uuid, did_settle boolean, paid_nano_usd bigint)
LANGUAGE plpgsql AS $$
DECLARE
  item record;
  current_account uuid;
  balance bigint;
  held bigint;
  seq bigint;
  head bytea;
  pay bigint;
  touched uuid[] := '{}';
  balances bigint[] := '{}';
  helds bigint[] := '{}';
  seqs bigint[] := '{}';
  heads bytea[] := '{}';
  at int := 0;
  n int := 0;
  entry_accounts uuid[] := '{}';
  entry_seqs bigint[] := '{}';
  entry_refs uuid[] := '{}';
  entry_amounts bigint[] := '{}';
  entry_balances bigint[] := '{}';
  entry_hashes bytea[] := '{}';
  settled uuid[] := '{}';
BEGIN
  FOR item IN
    SELECT first.id, first.is_captured, first.cost, h.account_id, h.amount_nano_usd AS amount,
           a.balance_nano_usd, a.held_nano_usd, a.seq, a.head_hash
    FROM (SELECT DISTINCT ON (i.id) i.* FROM jsonb_to_recordset(items)
            AS i(id uuid, ord int, is_captured boolean, cost bigint) ORDER BY i.id, i.ord) first
    JOIN hold h ON h.id = first.id AND h.state = 'open'
    JOIN account a ON a.id = h.account_id
    ORDER BY h.account_id, first.ord
  LOOP
    IF item.account_id IS DISTINCT FROM current_account THEN
      current_account := item.account_id;
      balance := item.balance_nano_usd;
      held := item.held_nano_usd;
      seq := item.seq;
      head := item.head_hash;
      at := at + 1;
      touched[at] := current_account;
    END IF;
    held := held - item.amount;
    pay := 0;
    IF item.is_captured THEN
      pay := least(item.cost, balance - held);
      IF pay > 0 THEN
        balance := balance - pay;
        seq := seq + 1;
        head := entry_hash(head, 'capture', item.id, -pay, balance, seq);
        n := n + 1;
        entry_accounts[n] := current_account;
        entry_seqs[n] := seq;
        entry_refs[n] := item.id;
        entry_amounts[n] := -pay;
        entry_balances[n] := balance;
        entry_hashes[n] := head;
      END IF;
      IF item.cost > pay THEN PERFORM add_debt(current_account, item.id, item.cost - pay); END IF;
    END IF;
    balances[at] := balance;
    helds[at] := held;
    seqs[at] := seq;
    heads[at] := head;
    settled := array_append(settled, item.id);
    hold_id := item.id;
    did_settle := true;
    paid_nano_usd := pay;
    RETURN NEXT;
  END LOOP;
  IF settled = '{}' THEN RETURN; END IF;

  UPDATE account SET balance_nano_usd = t.balance, held_nano_usd = t.held, seq = t.seq, head_hash = t.head
    FROM unnest(touched, balances, helds, seqs, heads) AS t(id, balance, held, seq, head) WHERE account.id = t.id;
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT e.account_id, e.seq, 'capture', e.ref, e.amount, e.balance, e.hash
    FROM unnest(entry_accounts, entry_seqs, entry_refs, entry_amounts, entry_balances, entry_hashes)
      AS e(account_id, seq, ref, amount, balance, hash);
  WITH first AS MATERIALIZED (
    SELECT DISTINCT ON (r.id) r.* FROM jsonb_to_recordset(items) AS r(id uuid, ord int, is_captured boolean,
      cost bigint, basis charge_basis, flags text[], usage jsonb, served_model text, service_tier text,
      upstream_id uuid, upstream_request_id text, upstream_response_id text, status int, is_stream boolean,
      time_to_first_byte_ms int, latency_ms int)
    WHERE r.id = ANY (settled) ORDER BY r.id, r.ord
  ), closed AS (
    UPDATE hold h SET settled_at = now(), state = CASE WHEN f.is_captured THEN 'captured' ELSE 'released' END::hold_state
      FROM first f WHERE h.id = f.id
      RETURNING h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, f.*
  ), charged AS (
    INSERT INTO charge AS c (hold_id, account_id, api_key_id, endpoint, model, served_model, usage, price_version_id,
        service_tier, cost_nano_usd, basis, flags, upstream_id, upstream_request_id, upstream_response_id,
        status, is_stream, time_to_first_byte_ms, latency_ms)
      SELECT d.id, d.account_id, d.api_key_id, d.endpoint, d.model, d.served_model, d.usage, d.price_version_id,
        d.service_tier, d.cost, d.basis, d.flags, d.upstream_id, d.upstream_request_id, d.upstream_response_id,
        d.status, d.is_stream, d.time_to_first_byte_ms, d.latency_ms
      FROM closed d WHERE d.is_captured
    RETURNING c.account_id, c.api_key_id, c.model, c.created_at, c.usage, c.cost_nano_usd
  )
  INSERT INTO usage_rollup AS roll (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
    SELECT c.account_id, c.api_key_id, c.model, date_trunc('hour', c.created_at), count(*),
           sum(coalesce((c.usage->>'input')::bigint, 0) + coalesce((c.usage->>'cached_input')::bigint, 0)
             + coalesce((c.usage->>'cache_write')::bigint, 0)),
           sum(coalesce((c.usage->>'output')::bigint, 0)), sum(c.cost_nano_usd)
    FROM charged c
    GROUP BY c.account_id, c.api_key_id, c.model, date_trunc('hour', c.created_at)
    ORDER BY 1, 4, 2, 3
    ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
      requests = roll.requests + excluded.requests,
      input_tokens = roll.input_tokens + excluded.input_tokens,
      output_tokens = roll.output_tokens + excluded.output_tokens,
      cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd;
END $$;

-- One flush: what is settled first, so that its money is free for what is held; one lock of each account, one commit.
-- A batch looks up a few rows by their keys in tables that only grow. Its plans are kept from when the tables were
-- empty, so they are told to use the indexes from the first day on.
CREATE FUNCTION ledger_batch(settles jsonb, holds jsonb) RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  PERFORM 1 FROM account
    WHERE account.id IN (
      SELECT h.account_id FROM jsonb_to_recordset(settles) AS i(id uuid) JOIN hold h ON h.id = i.id
      UNION SELECT i.account_id FROM jsonb_to_recordset(holds) AS i(account_id uuid))
    ORDER BY account.id FOR UPDATE;
  IF settles <> '[]' THEN
    RETURN QUERY SELECT s.hold_id, 'settled_now', s.paid_nano_usd FROM settle_batch(settles) s;
  END IF;
  IF holds <> '[]' THEN
    RETURN QUERY SELECT h.hold_id, h.outcome, h.granted_nano_usd FROM hold_batch(holds) h;
  END IF;
END $$;
