-- Runs one flush: settles first, so that the money is free for what is held; one lock of each wallet, one commit. Acts
-- on open holds and new holds only, so a batch may run twice. No id may stand twice in one batch; `wallets` are those
-- of the holds that it settles and places, null where the caller does not know one of them; `hold_tokens` what each hold
-- can use at most, for limits of tokens, null where that is not known.
--
-- Returns the orders that came to something else than asked, as a list of {id, outcome, amount, details}: a settlement
-- that costs more than was held for it ('settled_now', with what was taken of the wallet) or had nothing to settle
-- ('settled_before'), a hold that was not placed in full; null where there is none. A settlement whose hold was
-- estimated, as its process was held to be dead, corrects the charge.
--
-- How long it waits for a wallet is said by the connection's lock_timeout: behind it, nothing of the batch stands.
--
-- A flush costs mostly the start of its statements: the balances of its wallets are read once, reckoned with in
-- memory, and written once. Nothing is sorted: all rows belong to wallets that are locked, in the order of their ids.
-- Its plans are kept from when the tables were empty, so they are told to use the indexes from the first day on.
CREATE OR REPLACE FUNCTION ledger_settle_and_hold(
  settlements settlement[], holds hold_order[], hold_tokens bigint[], wallets uuid[], instance uuid, epoch bigint,
  default_limits int[])
RETURNS jsonb
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  -- The batch's wallets: whose they are, and what they are and then are to be.
  owners uuid[];
  balances bigint[];
  helds bigint[];
  seqs bigint[];
  heads bytea[];
  -- The one at hand.
  at int;
  wallet uuid;
  balance bigint;
  held bigint;
  seq bigint;
  head bytea;
  -- What is settled, and what of its cost is taken of the wallet.
  done_ids uuid[];
  done_accounts uuid[];
  done_helds bigint[];
  done_costs bigint[];
  has_limited boolean := false;
  has_missing boolean := false;
  -- Its charges, and the digests that their entries are bound to.
  charged_ids uuid[];
  digests bytea[];
  -- Those of it that cost more than was held for them.
  dear int[] := '{}';
  nth int;
  missing bigint;
  -- Its entries; null where nothing was charged.
  entry_seqs bigint[] := '{}';
  entry_balances bigint[] := '{}';
  entry_hashes bytea[] := '{}';
  asked hold_order;
  can_hold_all boolean := holds <> '{}';
  with_holds bigint[];
  others jsonb;
BEGIN
  IF wallets IS NULL THEN
    SELECT array_agg(w.id) INTO wallets FROM (
      SELECT h.account_id AS id FROM unnest(settlements) s JOIN hold h ON h.id = s.id
      UNION SELECT o.account_id FROM unnest(holds) o) w;
  END IF;
  SELECT array_agg(a.id), array_agg(a.owner_id), array_agg(a.balance_nano_usd), array_agg(a.held_nano_usd),
      array_agg(a.seq), array_agg(a.head_hash)
    INTO wallets, owners, balances, helds, seqs, heads
    FROM (SELECT account.id, CASE account.kind WHEN 'wallet' THEN account.user_id END AS owner_id,
            account.balance_nano_usd, account.held_nano_usd, account.seq, account.head_hash
          FROM account WHERE account.id = ANY (wallets) ORDER BY account.id FOR NO KEY UPDATE) a;

  IF settlements <> '{}' THEN
    WITH closed AS (
      UPDATE hold h
        SET settled_at = now(), state = CASE WHEN s.is_captured THEN 'captured' ELSE 'released' END::hold_state
        FROM unnest(settlements) AS s
        WHERE h.id = s.id AND h.state = 'open'
        RETURNING h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, h.amount_nano_usd AS held,
          h.is_limited, s.*
    ), charged AS (
      INSERT INTO charge (hold_id, account_id, api_key_id, endpoint, model, served_model, usage, price_version_id,
          service_tier, cost_nano_usd, basis, flags, upstream_id, upstream_request_id, upstream_response_id,
          status, is_stream, time_to_first_byte_ms, latency_ms)
        SELECT c.id, c.account_id, c.api_key_id, c.endpoint, c.model, c.served_model, c.usage, c.price_version_id,
          c.service_tier, c.cost, c.basis::charge_basis, c.flags, c.upstream_id, c.upstream_request_id,
          c.upstream_response_id, c.status, c.is_stream, c.time_to_first_byte_ms, c.latency_ms
        FROM closed c WHERE c.is_captured
        RETURNING hold_id, charge_digest(charge) AS digest
    ), rolled AS (
      INSERT INTO usage_rollup AS roll (
          account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
        SELECT c.account_id, c.api_key_id, c.model, date_trunc('hour', now()), count(*), sum(c.input_tokens),
            sum(c.output_tokens), sum(c.cost)
          FROM closed c WHERE c.is_captured GROUP BY 1, 2, 3
        ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
          requests = roll.requests + excluded.requests,
          input_tokens = roll.input_tokens + excluded.input_tokens,
          output_tokens = roll.output_tokens + excluded.output_tokens,
          cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd
    )
    SELECT coalesce(array_agg(c.id), '{}'), array_agg(c.account_id), array_agg(c.held),
        array_agg(CASE WHEN c.is_captured THEN c.cost ELSE 0 END), coalesce(bool_or(c.is_limited), false),
        (SELECT array_agg(g.hold_id) FROM charged g), (SELECT array_agg(g.digest) FROM charged g)
      INTO done_ids, done_accounts, done_helds, done_costs, has_limited, charged_ids, digests
      FROM closed c;

    FOR i IN 1 .. cardinality(done_ids) LOOP
      IF done_accounts[i] IS DISTINCT FROM wallet THEN
        IF wallet IS NOT NULL THEN
          balances[at] := balance; helds[at] := held; seqs[at] := seq; heads[at] := head;
        END IF;
        wallet := done_accounts[i];
        at := array_position(wallets, wallet);
        balance := balances[at]; held := helds[at]; seq := seqs[at]; head := heads[at];
      END IF;
      IF done_costs[i] > done_helds[i] THEN
        dear := dear || i;
        CONTINUE;
      END IF;
      held := held - done_helds[i];
      CONTINUE WHEN done_costs[i] = 0;
      balance := balance - done_costs[i];
      seq := seq + 1;
      head := entry_link(head, 'capture', done_ids[i], -done_costs[i], balance, seq,
        digests[array_position(charged_ids, done_ids[i])]);
      entry_seqs[i] := seq;
      entry_balances[i] := balance;
      entry_hashes[i] := head;
    END LOOP;
    IF wallet IS NOT NULL THEN
      balances[at] := balance; helds[at] := held; seqs[at] := seq; heads[at] := head;
    END IF;
    -- What costs more than was held for it comes last, and takes of what is free then; the rest becomes a debt.
    FOREACH nth IN ARRAY dear LOOP
      at := array_position(wallets, done_accounts[nth]);
      helds[at] := helds[at] - done_helds[nth];
      missing := greatest(done_costs[nth] - (balances[at] - helds[at]), 0);
      done_costs[nth] := done_costs[nth] - missing;
      IF done_costs[nth] > 0 THEN
        balances[at] := balances[at] - done_costs[nth];
        seqs[at] := seqs[at] + 1;
        heads[at] := entry_link(heads[at], 'capture', done_ids[nth], -done_costs[nth], balances[at], seqs[at],
          digests[array_position(charged_ids, done_ids[nth])]);
        entry_seqs[nth] := seqs[at];
        entry_balances[nth] := balances[at];
        entry_hashes[nth] := heads[at];
      END IF;
      IF missing > 0 THEN PERFORM add_debt_entry(done_accounts[nth], 'debt', done_ids[nth], missing); END IF;
      others := coalesce(others, '[]') || jsonb_build_object(
        'id', done_ids[nth], 'outcome', 'settled_now', 'amount', done_costs[nth]::text);
    END LOOP;
    IF entry_seqs <> '{}' THEN
      INSERT INTO ledger_entry (
          account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, hash_version)
        SELECT done_accounts[i], entry_seqs[i], 'capture', done_ids[i], -done_costs[i], entry_balances[i],
          entry_hashes[i], 2
        FROM generate_subscripts(done_ids, 1) AS i WHERE entry_seqs[i] IS NOT NULL;
    END IF;
    has_missing := cardinality(done_ids) < cardinality(settlements);
    IF has_limited THEN
      UPDATE allowance w SET in_flight = w.in_flight - t.requests, held_nano_usd = w.held_nano_usd - t.held,
          milli_tokens = w.milli_tokens + 1000 * t.unused_tokens
        FROM (SELECT s.id, count(*)::int AS requests, sum(h.amount_nano_usd)::bigint AS held,
                sum(h.taken_tokens - coalesce(i.input_tokens + i.output_tokens, 0))::bigint AS unused_tokens
              FROM unnest(settlements) AS i
              JOIN hold h ON h.id = i.id
              CROSS JOIN LATERAL (VALUES (h.api_key_id), (h.account_id)) AS s(id)
              WHERE h.is_limited AND h.id = ANY (done_ids) GROUP BY s.id) t
        WHERE w.subject_id = t.id;
    END IF;
  END IF;

  -- Nearly always every hold can be placed in full.
  IF can_hold_all THEN
    can_hold_all := NOT has_missing AND default_limits = '{NULL,NULL,NULL}' AND NOT EXISTS (
        SELECT 1
          FROM (SELECT DISTINCT owners[array_position(wallets, o.account_id)] AS owner_id, o.api_key_id
                FROM unnest(holds) o) p
          CROSS JOIN LATERAL hold_eligibility(p.owner_id, p.api_key_id) e
          WHERE e.needs_slow_path)
      AND NOT EXISTS (SELECT 1 FROM unnest(holds) o JOIN hold h ON h.id = o.id);
    IF can_hold_all THEN
      with_holds := helds;
      FOREACH asked IN ARRAY holds LOOP
        at := array_position(wallets, asked.account_id);
        -- What is asked for may be near the most of 64 bits: it is compared before it is added.
        can_hold_all := coalesce(asked.amount <= balances[at] - with_holds[at], false);
        EXIT WHEN NOT can_hold_all;
        with_holds[at] := with_holds[at] + asked.amount;
      END LOOP;
    END IF;
    IF can_hold_all THEN
      helds := with_holds;
      INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
          input_tokens_bound, instance_id, instance_epoch, dispatched_at)
        SELECT o.id, o.account_id, o.api_key_id, o.amount, o.price_version_id, o.endpoint, o.model,
          o.input_tokens_bound, instance, epoch, now()
        FROM unnest(holds) AS o;
    END IF;
  END IF;

  UPDATE account a
    SET balance_nano_usd = balances[i], held_nano_usd = helds[i], seq = seqs[i], head_hash = heads[i]
    FROM generate_subscripts(wallets, 1) AS i
    WHERE a.id = wallets[i];

  IF has_missing THEN
    PERFORM true_up_orphans(ARRAY(SELECT s FROM unnest(settlements) AS s WHERE s.id <> ALL (done_ids)));
    SELECT coalesce(others, '[]') || jsonb_agg(jsonb_build_object(
        'id', s.id, 'outcome', 'settled_before', 'amount', '0'))
      INTO others
      FROM unnest(settlements) AS s WHERE s.id <> ALL (done_ids);
  END IF;

  -- Money that runs short, a limit, a suspended user, a hold that is there already: decided one by one.
  IF holds <> '{}' AND NOT can_hold_all THEN
    WITH placed AS MATERIALIZED (
      SELECT h.* FROM (
          SELECT array_agg(o.id) AS ids, array_agg(o.account_id) AS accounts, array_agg(o.api_key_id) AS keys,
            array_agg(o.amount) AS amounts, array_agg(o.min_amount) AS min_amounts,
            array_agg(o.price_version_id) AS prices, array_agg(o.endpoint) AS endpoints, array_agg(o.model) AS models,
            array_agg(o.input_tokens_bound) AS bounds
          FROM unnest(holds) o
        ) a
        CROSS JOIN LATERAL ledger_hold_serial(
          a.ids, a.accounts, a.keys, a.amounts, a.min_amounts, a.prices, a.endpoints, a.models, a.bounds,
          hold_tokens, instance, epoch, default_limits) h
    )
    SELECT coalesce(others, '[]') || coalesce(jsonb_agg(jsonb_build_object(
        'id', h.hold_id, 'outcome', h.outcome, 'amount', h.amount_nano_usd::text, 'details', h.details)), '[]')
      INTO others
      FROM placed h JOIN unnest(holds) AS o ON o.id = h.hold_id
      WHERE h.outcome <> 'held' OR h.amount_nano_usd <> o.amount OR h.details IS NOT NULL;
  END IF;
  RETURN others;
END $$;
-- version 2, checksum 1a62eb138bffff41
