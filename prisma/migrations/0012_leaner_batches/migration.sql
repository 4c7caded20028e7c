-- A batch in statements that do one thing each. What a flush costs is mostly the start of its statements, so that the
-- balances of its wallets are read once, reckoned with in memory, and written once; and what becomes of an order as it was
-- asked is not told: only what differs is answered. Half of the time of a small batch went into plans made anew for it.

DROP FUNCTION ledger_batch;
DROP FUNCTION settle_batch(uuid[], boolean[], bigint[], charge_basis[], text[], jsonb[], bigint[], bigint[], text[], text[],
  uuid[], text[], text[], int[], boolean[], int[], int[]);
DROP FUNCTION hold_batch;

-- One flush: what is settled first, so that its money is free for what is held; one lock of each wallet, one commit. Acts on
-- open holds and new holds only, so a batch may run twice. No id may stand twice in one batch; `settle_accounts` says which
-- wallets are settled on, null where the caller does not know. Answers the orders that came to something else than asked:
-- a settlement that charged less ('settled_now') or had nothing to settle ('settled_before'), a hold that was not placed in
-- full. Its plans are kept from when the tables were empty, so they are told to use the indexes from the first day on.
CREATE FUNCTION ledger_batch(
  settle_ids uuid[], settle_accounts uuid[], are_captured boolean[], costs bigint[], bases charge_basis[],
  flag_lists text[], usages jsonb[], input_tokens bigint[], output_tokens bigint[], served_models text[],
  service_tiers text[], upstream_ids uuid[], upstream_request_ids text[], upstream_response_ids text[], statuses int[],
  are_streams boolean[], first_byte_ms int[], latencies_ms int[],
  hold_ids uuid[], accounts uuid[], keys uuid[], amounts bigint[], min_amounts bigint[], price_versions uuid[],
  endpoints text[], models text[], input_bounds bigint[], instance uuid, epoch bigint, default_limits int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint, details jsonb)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET enable_material = off SET lock_timeout = '2s' SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  -- The batch's wallets, as they are and then as they are to be.
  wallets uuid[];
  balances bigint[];
  helds bigint[];
  seqs bigint[];
  heads bytea[];
  at int; -- of the wallet in them
  balance bigint;
  seq bigint;
  head bytea;
  -- What was settled at its cost, wallet by wallet.
  done_ids uuid[];
  done_accounts uuid[];
  done_helds bigint[];
  done_costs bigint[];
  has_limited boolean := false;
  has_rest boolean := false;
  entry_accounts uuid[] := '{}';
  entry_refs uuid[] := '{}';
  entry_seqs bigint[] := '{}';
  entry_amounts bigint[] := '{}';
  entry_balances bigint[] := '{}';
  entry_hashes bytea[] := '{}';
  n int := 0;
  can_hold_all boolean := hold_ids <> '{}';
  with_holds bigint[];
BEGIN
  IF array_position(settle_accounts, NULL) IS NOT NULL THEN
    SELECT array_agg(DISTINCT h.account_id) INTO settle_accounts FROM unnest(settle_ids) AS i(id) JOIN hold h ON h.id = i.id;
  END IF;
  SELECT array_agg(a.id), array_agg(a.balance_nano_usd), array_agg(a.held_nano_usd), array_agg(a.seq), array_agg(a.head_hash)
    INTO wallets, balances, helds, seqs, heads
    FROM (SELECT account.id, account.balance_nano_usd, account.held_nano_usd, account.seq, account.head_hash
          FROM account WHERE account.id = ANY (settle_accounts || accounts) ORDER BY account.id FOR UPDATE) a;

  IF settle_ids <> '{}' THEN
    WITH closed AS (
      UPDATE hold h SET settled_at = now(), state = CASE WHEN i.is_captured THEN 'captured' ELSE 'released' END::hold_state
        FROM unnest(settle_ids, are_captured, costs, bases, flag_lists, usages, input_tokens, output_tokens, served_models,
          service_tiers, upstream_ids, upstream_request_ids, upstream_response_ids, statuses, are_streams, first_byte_ms,
          latencies_ms) AS i(id, is_captured, cost, basis, flags, usage, input_tokens, output_tokens,
          served_model, service_tier, upstream_id, upstream_request_id, upstream_response_id, status, is_stream,
          first_byte_ms, latency_ms)
        WHERE h.id = i.id AND h.state = 'open' AND (NOT i.is_captured OR i.cost <= h.amount_nano_usd)
        RETURNING h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, h.amount_nano_usd AS held,
          h.is_limited, i.*
    ), charged AS (
      INSERT INTO charge (hold_id, account_id, api_key_id, endpoint, model, served_model, usage, price_version_id,
          service_tier, cost_nano_usd, basis, flags, upstream_id, upstream_request_id, upstream_response_id,
          status, is_stream, time_to_first_byte_ms, latency_ms)
        SELECT c.id, c.account_id, c.api_key_id, c.endpoint, c.model, c.served_model, c.usage, c.price_version_id,
          c.service_tier, c.cost, c.basis, c.flags::text[], c.upstream_id, c.upstream_request_id, c.upstream_response_id,
          c.status, c.is_stream, c.first_byte_ms, c.latency_ms
        FROM closed c WHERE c.is_captured
    ), rolled AS (
      INSERT INTO usage_rollup AS roll (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
        SELECT c.account_id, c.api_key_id, c.model, date_trunc('hour', now()), count(*), sum(c.input_tokens),
            sum(c.output_tokens), sum(c.cost)
          FROM closed c WHERE c.is_captured GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
          requests = roll.requests + excluded.requests,
          input_tokens = roll.input_tokens + excluded.input_tokens,
          output_tokens = roll.output_tokens + excluded.output_tokens,
          cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd
    )
    SELECT coalesce(array_agg(c.id), '{}'), array_agg(c.account_id), array_agg(c.held), array_agg(c.paid),
        coalesce(bool_or(c.is_limited), false)
      INTO done_ids, done_accounts, done_helds, done_costs, has_limited
      FROM (SELECT c.id, c.account_id, c.held, c.is_limited, CASE WHEN c.is_captured THEN c.cost ELSE 0 END AS paid
            FROM closed c ORDER BY c.account_id) c;
    FOR i IN 1 .. cardinality(done_ids) LOOP
      IF done_accounts[i] IS DISTINCT FROM done_accounts[i - 1] THEN
        at := array_position(wallets, done_accounts[i]);
        balance := balances[at];
        seq := seqs[at];
        head := heads[at];
      END IF;
      helds[at] := helds[at] - done_helds[i];
      CONTINUE WHEN done_costs[i] = 0;
      balance := balance - done_costs[i];
      seq := seq + 1;
      head := sha256(head || convert_to(
        'capture|' || done_ids[i] || '|' || -done_costs[i] || '|' || balance || '|' || seq, 'UTF8'));
      balances[at] := balance;
      seqs[at] := seq;
      heads[at] := head;
      n := n + 1;
      entry_accounts[n] := done_accounts[i];
      entry_refs[n] := done_ids[i];
      entry_seqs[n] := seq;
      entry_amounts[n] := -done_costs[i];
      entry_balances[n] := balance;
      entry_hashes[n] := head;
    END LOOP;
    IF n > 0 THEN
      INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
        SELECT e.account_id, e.seq, 'capture', e.ref, e.amount, e.balance_after, e.hash
        FROM unnest(entry_accounts, entry_seqs, entry_refs, entry_amounts, entry_balances, entry_hashes)
          AS e(account_id, seq, ref, amount, balance_after, hash);
    END IF;
    -- What is left was settled before, or costs more than was held for it.
    has_rest := cardinality(done_ids) < cardinality(settle_ids);
    IF has_limited OR has_rest THEN
      UPDATE allowance w SET in_flight = w.in_flight - t.requests, held_nano_usd = w.held_nano_usd - t.held,
          milli_tokens = w.milli_tokens - 1000 * t.tokens
        FROM (SELECT s.id, count(*)::int AS requests, sum(h.amount_nano_usd)::bigint AS held,
                coalesce(sum(i.input_tokens + i.output_tokens), 0)::bigint AS tokens
              FROM unnest(settle_ids, input_tokens, output_tokens) AS i(id, input_tokens, output_tokens)
              JOIN hold h ON h.id = i.id
              CROSS JOIN LATERAL (VALUES (h.api_key_id), (h.account_id)) AS s(id)
              WHERE h.is_limited AND (h.state = 'open' OR h.id = ANY (done_ids)) GROUP BY s.id) t
        WHERE w.subject_id = t.id;
    END IF;
  END IF;

  -- Nearly always every hold can be placed in full.
  IF can_hold_all THEN
    can_hold_all := NOT has_rest AND default_limits = '{NULL,NULL,NULL}' AND (
      SELECT coalesce(bool_and(coalesce(a.kind = 'wallet' AND u.status = 'active' AND k.status = 'active'
            AND k.user_id = a.user_id AND NOT k.is_limited AND NOT u.is_limited AND debt.id IS NULL, false)), false)
        FROM (SELECT DISTINCT p.account_id, p.api_key_id FROM unnest(accounts, keys) AS p(account_id, api_key_id)) p
        LEFT JOIN account a ON a.id = p.account_id
        LEFT JOIN "user" u ON u.id = a.user_id
        LEFT JOIN api_key k ON k.id = p.api_key_id
        LEFT JOIN account debt ON debt.user_id = a.user_id AND debt.kind = 'receivable' AND debt.balance_nano_usd > 0
      ) AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = ANY (hold_ids));
    IF can_hold_all THEN
      with_holds := helds;
      FOR i IN 1 .. cardinality(hold_ids) LOOP
        at := array_position(wallets, accounts[i]);
        with_holds[at] := with_holds[at] + amounts[i];
        can_hold_all := can_hold_all AND with_holds[at] <= balances[at];
      END LOOP;
    END IF;
    IF can_hold_all THEN
      helds := with_holds;
      INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
          input_tokens_bound, instance_id, instance_epoch, dispatched_at)
        SELECT j.id, j.account_id, j.api_key_id, j.amount, j.price_version_id, j.endpoint, j.model, j.input_tokens_bound,
          instance, epoch, now()
        FROM unnest(hold_ids, accounts, keys, amounts, price_versions, endpoints, models, input_bounds)
          AS j(id, account_id, api_key_id, amount, price_version_id, endpoint, model, input_tokens_bound);
    END IF;
  END IF;

  UPDATE account a SET balance_nano_usd = t.balance, held_nano_usd = t.held, seq = t.seq, head_hash = t.head
    FROM unnest(wallets, balances, helds, seqs, heads) AS t(id, balance, held, seq, head)
    WHERE a.id = t.id;

  IF has_rest THEN
    RETURN QUERY
      WITH rest AS MATERIALIZED (
        SELECT i.* FROM unnest(settle_ids, are_captured, costs, bases, flag_lists, usages, served_models, service_tiers,
            upstream_ids, upstream_request_ids, upstream_response_ids, statuses, are_streams, first_byte_ms, latencies_ms)
          WITH ORDINALITY AS i(id, is_captured, cost, basis, flags, usage, served_model, service_tier, upstream_id,
            upstream_request_id, upstream_response_id, status, is_stream, time_to_first_byte_ms, latency_ms, ord)
          WHERE i.id <> ALL (done_ids)
      )
      SELECT rest.id, CASE WHEN s.hold_id IS NULL THEN 'settled_before' ELSE 'settled_now' END,
          coalesce(s.paid_nano_usd, 0), NULL::jsonb
        FROM rest LEFT JOIN settle_one_by_one((
          SELECT jsonb_agg(to_jsonb(r) || jsonb_build_object('flags', r.flags::text[])) FROM rest r)) s ON s.hold_id = rest.id;
  END IF;
  -- Money that runs short, a limit, a suspended user, a hold that is there already: decided one by one.
  IF hold_ids <> '{}' AND NOT can_hold_all THEN
    RETURN QUERY
      SELECT h.* FROM hold_one_by_one(hold_ids, accounts, keys, amounts, min_amounts, price_versions, endpoints, models,
        input_bounds, instance, epoch, default_limits) h
        JOIN unnest(hold_ids, amounts) AS asked(id, amount) ON asked.id = h.hold_id
        WHERE h.outcome <> 'held' OR h.amount_nano_usd <> asked.amount OR h.details IS NOT NULL;
  END IF;
END $$;
