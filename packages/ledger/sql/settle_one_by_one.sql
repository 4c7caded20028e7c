-- Settles what needs a closer look: what was settled before, which it leaves alone, and what costs more than was held
-- for it. Takes of the wallet what is held and free; the rest becomes the user's debt. Returns what was taken for each
-- that it settled. Called by ledger_batch, which has locked the wallets.
CREATE OR REPLACE FUNCTION settle_one_by_one(items jsonb)
RETURNS TABLE (hold_id uuid, did_settle boolean, paid_nano_usd bigint)
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
    FROM unnest(touched, balances, helds, seqs, heads) AS t(id, balance, held, seq, head)
    WHERE account.id = t.id;
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT e.account_id, e.seq, 'capture', e.ref, e.amount, e.balance, e.hash
    FROM unnest(entry_accounts, entry_seqs, entry_refs, entry_amounts, entry_balances, entry_hashes)
      AS e(account_id, seq, ref, amount, balance, hash);
  WITH first AS MATERIALIZED (
    SELECT DISTINCT ON (r.id) r.* FROM jsonb_to_recordset(items) AS r(
      id uuid, ord int, is_captured boolean, cost bigint, basis charge_basis, flags text[], usage jsonb,
      served_model text, service_tier text, upstream_id uuid, upstream_request_id text, upstream_response_id text,
      status int, is_stream boolean, time_to_first_byte_ms int, latency_ms int, input_tokens bigint, output_tokens bigint)
    WHERE r.id = ANY (settled) ORDER BY r.id, r.ord
  ), closed AS (
    UPDATE hold h
      SET settled_at = now(), state = CASE WHEN f.is_captured THEN 'captured' ELSE 'released' END::hold_state
      FROM first f WHERE h.id = f.id
      RETURNING h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, f.*
  ), charged AS (
    INSERT INTO charge (hold_id, account_id, api_key_id, endpoint, model, served_model, usage, price_version_id,
        service_tier, cost_nano_usd, basis, flags, upstream_id, upstream_request_id, upstream_response_id,
        status, is_stream, time_to_first_byte_ms, latency_ms)
      SELECT d.id, d.account_id, d.api_key_id, d.endpoint, d.model, d.served_model, d.usage, d.price_version_id,
        d.service_tier, d.cost, d.basis, d.flags, d.upstream_id, d.upstream_request_id, d.upstream_response_id,
        d.status, d.is_stream, d.time_to_first_byte_ms, d.latency_ms
      FROM closed d WHERE d.is_captured
  )
  INSERT INTO usage_rollup AS roll (
      account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
    SELECT d.account_id, d.api_key_id, d.model, date_trunc('hour', now()), count(*), sum(d.input_tokens),
        sum(d.output_tokens), sum(d.cost)
      FROM closed d WHERE d.is_captured GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
      requests = roll.requests + excluded.requests,
      input_tokens = roll.input_tokens + excluded.input_tokens,
      output_tokens = roll.output_tokens + excluded.output_tokens,
      cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd;
END $$;
-- version 2, checksum 55b60dead7a24c46
