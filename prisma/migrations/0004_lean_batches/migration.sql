-- The batch as arrays instead of documents, and one statement for all captures that their holds cover: a third of what
-- a request cost the database went into taking documents apart, and as much into a loop over entries.

-- The next link of a chain of captures, as an aggregate: over a window, every row gets its own link.
CREATE FUNCTION link_capture(link bytea, head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN sha256(coalesce(link, head) || convert_to('capture|' || ref || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8'));
END $$;
CREATE AGGREGATE capture_chain(head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint) (
  SFUNC = link_capture, STYPE = bytea
);

DROP FUNCTION ledger_batch(jsonb, jsonb);
DROP FUNCTION hold_batch(jsonb);
DROP FUNCTION hold_one_by_one(jsonb);
ALTER FUNCTION settle_batch RENAME TO settle_one_by_one;

-- Limits of keys and users; null: none of its own. A user without one has the default that the settings name.
ALTER TABLE api_key
  ADD COLUMN daily_budget_nano_usd bigint CHECK (daily_budget_nano_usd > 0),
  ADD COLUMN monthly_budget_nano_usd bigint CHECK (monthly_budget_nano_usd > 0),
  ADD COLUMN is_limited boolean NOT NULL GENERATED ALWAYS AS (
    requests_per_minute IS NOT NULL OR tokens_per_minute IS NOT NULL OR concurrent_requests IS NOT NULL
      OR daily_budget_nano_usd IS NOT NULL OR monthly_budget_nano_usd IS NOT NULL) STORED;
ALTER TABLE "user"
  ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0),
  ADD COLUMN tokens_per_minute integer CHECK (tokens_per_minute > 0),
  ADD COLUMN concurrent_requests integer CHECK (concurrent_requests > 0),
  ADD COLUMN is_limited boolean NOT NULL GENERATED ALWAYS AS (
    requests_per_minute IS NOT NULL OR tokens_per_minute IS NOT NULL OR concurrent_requests IS NOT NULL) STORED;

-- What a limited key, or a limited user's wallet, has left of its minute, and what it has under way. Buckets refill
-- evenly; tokens are taken when they are known, so that this bucket may go below zero. Guarded by the wallet's lock.
CREATE TABLE allowance (
  subject_id     uuid PRIMARY KEY, -- of the key, or of the wallet
  milli_requests bigint NOT NULL,
  milli_tokens   bigint NOT NULL,
  refilled_at    timestamptz NOT NULL,
  in_flight      integer NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
  held_nano_usd  bigint NOT NULL DEFAULT 0 CHECK (held_nano_usd >= 0)
) WITH (fillfactor = 50);
ALTER TABLE hold ADD COLUMN is_limited boolean NOT NULL DEFAULT false; -- counted in the allowances of its key and wallet

-- Open holds have no index of their own: with one, closing a hold moves it to another page and rewrites its index entries.
-- A dead instance's open holds are found from the oldest one that was open at its last heartbeat: ids rise with time.
DROP INDEX hold_open_idx;
ALTER TABLE hold SET (fillfactor = 60);
ALTER TABLE instance
  ADD COLUMN oldest_open_hold uuid,
  ADD COLUMN reaped_at timestamptz; -- nothing of it was open any more
UPDATE instance SET reaped_at = now()
  WHERE NOT EXISTS (SELECT 1 FROM hold WHERE hold.instance_id = instance.id AND hold.state = 'open');

-- Captures and releases. Acts on open holds only, so a batch may run twice. A hold must not stand twice in one batch.
CREATE FUNCTION settle_batch(ids uuid[], are_captured boolean[], costs bigint[], bases charge_basis[], flag_lists text[],
  usages jsonb[], input_tokens bigint[], output_tokens bigint[], served_models text[], service_tiers text[],
  upstream_ids uuid[], upstream_request_ids text[], upstream_response_ids text[], statuses int[], are_streams boolean[],
  first_byte_ms int[], latencies_ms int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint) LANGUAGE plpgsql AS $$
DECLARE
  done int;
BEGIN
  RETURN QUERY
    WITH item AS MATERIALIZED (
      SELECT * FROM unnest(ids, are_captured, costs, bases, flag_lists, usages, input_tokens, output_tokens, served_models,
        service_tiers, upstream_ids, upstream_request_ids, upstream_response_ids, statuses, are_streams, first_byte_ms,
        latencies_ms) WITH ORDINALITY AS i(id, is_captured, cost, basis, flags, usage, input_tokens, output_tokens,
        served_model, service_tier, upstream_id, upstream_request_id, upstream_response_id, status, is_stream,
        first_byte_ms, latency_ms, ord)
    ), closed AS (
      UPDATE hold h SET settled_at = now(), state = CASE WHEN i.is_captured THEN 'captured' ELSE 'released' END::hold_state
        FROM item i
        WHERE h.id = i.id AND h.state = 'open' AND (NOT i.is_captured OR i.cost <= h.amount_nano_usd)
        RETURNING h.account_id, h.api_key_id, h.endpoint, h.model, h.price_version_id, h.amount_nano_usd AS held,
          h.is_limited, i.*
    ), given_back AS (
      UPDATE allowance w SET in_flight = w.in_flight - t.requests, held_nano_usd = w.held_nano_usd - t.held,
          milli_tokens = w.milli_tokens - 1000 * t.tokens
        FROM (SELECT s.id, count(*)::int AS requests, sum(c.held)::bigint AS held,
                coalesce(sum(c.input_tokens + c.output_tokens), 0)::bigint AS tokens
              FROM closed c CROSS JOIN LATERAL (VALUES (c.api_key_id), (c.account_id)) AS s(id)
              WHERE c.is_limited GROUP BY s.id) t
        WHERE w.subject_id = t.id
    ), entry AS MATERIALIZED (
      SELECT e.account_id, e.id, e.cost, e.seq, e.balance_after,
          capture_chain(e.head_hash, e.id, -e.cost, e.balance_after, e.seq) OVER (PARTITION BY e.account_id ORDER BY e.seq) AS hash
        FROM (
          SELECT c.account_id, c.id, c.cost, a.head_hash, a.seq + row_number() OVER w AS seq,
              a.balance_nano_usd - (sum(c.cost) OVER w)::bigint AS balance_after
            FROM closed c JOIN account a ON a.id = c.account_id
            WHERE c.is_captured AND c.cost > 0
            WINDOW w AS (PARTITION BY c.account_id ORDER BY c.ord ROWS UNBOUNDED PRECEDING)
        ) e
    ), moved AS (
      UPDATE account a SET held_nano_usd = a.held_nano_usd - t.held, balance_nano_usd = a.balance_nano_usd - t.cost,
          seq = coalesce(last.seq, a.seq), head_hash = coalesce(last.hash, a.head_hash)
        FROM (SELECT c.account_id, sum(c.held)::bigint AS held,
                coalesce(sum(c.cost) FILTER (WHERE c.is_captured), 0)::bigint AS cost
              FROM closed c GROUP BY c.account_id) t
          LEFT JOIN LATERAL (SELECT e.seq, e.hash FROM entry e WHERE e.account_id = t.account_id ORDER BY e.seq DESC LIMIT 1) last ON true
        WHERE a.id = t.account_id
    ), entered AS (
      INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
        SELECT e.account_id, e.seq, 'capture', e.id, -e.cost, e.balance_after, e.hash FROM entry e
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
    SELECT c.id, 'settled_now', CASE WHEN c.is_captured THEN c.cost ELSE 0 END FROM closed c;
  GET DIAGNOSTICS done = ROW_COUNT;
  -- What is left was settled before, or costs more than was held for it: the loop tells them apart.
  IF done < cardinality(ids) THEN
    UPDATE allowance w SET in_flight = w.in_flight - t.requests, held_nano_usd = w.held_nano_usd - t.held
      FROM (SELECT s.id, count(*)::int AS requests, sum(h.amount_nano_usd)::bigint AS held
            FROM hold h CROSS JOIN LATERAL (VALUES (h.api_key_id), (h.account_id)) AS s(id)
            WHERE h.id = ANY (ids) AND h.state = 'open' AND h.is_limited GROUP BY s.id) t
      WHERE w.subject_id = t.id;
    RETURN QUERY
      SELECT s.hold_id, 'settled_now', s.paid_nano_usd FROM settle_one_by_one((
        SELECT jsonb_agg(jsonb_build_object('id', i.id, 'ord', i.ord, 'is_captured', i.is_captured, 'cost', i.cost,
            'basis', i.basis, 'flags', i.flags::text[], 'usage', i.usage, 'served_model', i.served_model,
            'service_tier', i.service_tier, 'upstream_id', i.upstream_id, 'upstream_request_id', i.upstream_request_id,
            'upstream_response_id', i.upstream_response_id, 'status', i.status, 'is_stream', i.is_stream,
            'time_to_first_byte_ms', i.first_byte_ms, 'latency_ms', i.latency_ms))
        FROM unnest(ids, are_captured, costs, bases, flag_lists, usages, served_models, service_tiers, upstream_ids,
            upstream_request_ids, upstream_response_ids, statuses, are_streams, first_byte_ms, latencies_ms) WITH ORDINALITY
          AS i(id, is_captured, cost, basis, flags, usage, served_model, service_tier, upstream_id, upstream_request_id,
            upstream_response_id, status, is_stream, first_byte_ms, latency_ms, ord))) s;
  END IF;
END $$;

-- What a minute's bucket holds after it has refilled since `since`.
CREATE FUNCTION refilled(milli bigint, since timestamptz, per_minute int) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT least(per_minute * 1000::bigint, milli + (extract(epoch FROM clock_timestamp() - since) * per_minute * 1000 / 60)::bigint)
$$;

-- Whether the limits of one subject let one more request through; takes its place where they do. Null: they do.
CREATE FUNCTION take_place(subject uuid, per_minute int, tokens_a_minute int, at_once int, amount bigint)
RETURNS TABLE (refusal text, retry_after_ms bigint, remaining_requests bigint, remaining_tokens bigint)
LANGUAGE plpgsql AS $$
DECLARE
  w allowance%ROWTYPE;
BEGIN
  INSERT INTO allowance (subject_id, milli_requests, milli_tokens, refilled_at)
    VALUES (subject, coalesce(per_minute, 0) * 1000::bigint, coalesce(tokens_a_minute, 0) * 1000::bigint, clock_timestamp())
    ON CONFLICT (subject_id) DO NOTHING;
  SELECT * INTO w FROM allowance WHERE subject_id = subject FOR UPDATE;
  w.milli_requests := coalesce(refilled(w.milli_requests, w.refilled_at, per_minute), 0);
  w.milli_tokens := coalesce(refilled(w.milli_tokens, w.refilled_at, tokens_a_minute), 0);
  retry_after_ms := 0;
  IF w.in_flight >= at_once THEN
    refusal := 'concurrent_requests';
    retry_after_ms := 1000;
  ELSIF per_minute IS NOT NULL AND w.milli_requests < 1000 THEN
    refusal := 'requests_per_minute';
    retry_after_ms := (1000 - w.milli_requests) * 60 / per_minute + 1;
  ELSIF tokens_a_minute IS NOT NULL AND w.milli_tokens <= 0 THEN
    refusal := 'tokens_per_minute';
    retry_after_ms := (1000 - w.milli_tokens) * 60 / tokens_a_minute + 1;
  ELSE
    w.milli_requests := w.milli_requests - CASE WHEN per_minute IS NULL THEN 0 ELSE 1000 END;
    w.in_flight := w.in_flight + 1;
    w.held_nano_usd := w.held_nano_usd + amount;
  END IF;
  UPDATE allowance SET milli_requests = w.milli_requests, milli_tokens = w.milli_tokens, refilled_at = clock_timestamp(),
      in_flight = w.in_flight, held_nano_usd = w.held_nano_usd
    WHERE subject_id = subject;
  remaining_requests := w.milli_requests / 1000;
  remaining_tokens := greatest(w.milli_tokens / 1000, 0);
  RETURN NEXT;
END $$;

-- Places holds in the order of arrival. Per item: `amount` in full or, where `min_amount` is lower, what the free balance
-- and the key's budgets still give down to it. A hold that is there already is answered as it stands.
CREATE FUNCTION hold_one_by_one(ids uuid[], accounts uuid[], keys uuid[], amounts bigint[], min_amounts bigint[],
  price_versions uuid[], endpoints text[], models text[], input_bounds bigint[], instance uuid, epoch bigint,
  default_limits int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint, details jsonb) LANGUAGE plpgsql AS $$
DECLARE
  item record;
  grant_nano bigint;
  budget_left bigint;
  is_limited boolean;
  place record;
BEGIN
  FOR item IN
    SELECT i.*, coalesce(i.min_amount, i.amount) AS least_amount, k.status AS key_status, u.status AS user_status,
        a.user_id, k.is_limited AS is_key_limited,
        k.requests_per_minute AS key_rpm, k.tokens_per_minute AS key_tpm, k.concurrent_requests AS key_at_once,
        coalesce(u.requests_per_minute, default_limits[1]) AS user_rpm,
        coalesce(u.tokens_per_minute, default_limits[2]) AS user_tpm,
        coalesce(u.concurrent_requests, default_limits[3]) AS user_at_once,
        k.daily_budget_nano_usd AS daily_budget, k.monthly_budget_nano_usd AS monthly_budget
      FROM unnest(ids, accounts, keys, amounts, min_amounts, price_versions, endpoints, models, input_bounds) WITH ORDINALITY
        AS i(id, account_id, api_key_id, amount, min_amount, price_version_id, endpoint, model, input_tokens_bound, ord)
      LEFT JOIN account a ON a.id = i.account_id
      LEFT JOIN "user" u ON u.id = a.user_id
      LEFT JOIN api_key k ON k.id = i.api_key_id AND k.user_id = a.user_id
      ORDER BY i.account_id, i.ord
  LOOP
    hold_id := item.id;
    amount_nano_usd := 0;
    details := NULL;
    SELECT CASE WHEN h.state = 'open' THEN 'held' ELSE 'settled' END, h.amount_nano_usd INTO outcome, amount_nano_usd
      FROM hold h WHERE h.id = item.id;
    IF FOUND THEN
      RETURN NEXT;
      CONTINUE;
    END IF;
    amount_nano_usd := 0;
    IF item.user_status IS DISTINCT FROM 'active' THEN
      outcome := 'user_suspended';
      RETURN NEXT;
      CONTINUE;
    ELSIF item.key_status IS DISTINCT FROM 'active' THEN
      outcome := 'key_disabled';
      RETURN NEXT;
      CONTINUE;
    END IF;

    SELECT least(item.amount, a.balance_nano_usd - a.held_nano_usd) INTO grant_nano FROM account a
      WHERE a.id = item.account_id AND a.kind = 'wallet' AND NOT EXISTS (
        SELECT 1 FROM account debt
          WHERE debt.user_id = a.user_id AND debt.kind = 'receivable' AND debt.balance_nano_usd > 0);
    IF grant_nano IS NULL OR grant_nano < item.least_amount OR grant_nano <= 0 AND item.amount > 0 THEN
      outcome := 'insufficient';
      RETURN NEXT;
      CONTINUE;
    END IF;

    outcome := NULL;
    IF item.daily_budget IS NOT NULL OR item.monthly_budget IS NOT NULL THEN
      SELECT CASE WHEN left_today <= left_this_month OR left_this_month IS NULL THEN 'daily_budget' ELSE 'monthly_budget' END,
          least(left_today, left_this_month)
        INTO outcome, budget_left
        FROM (SELECT item.daily_budget - coalesce(sum(r.cost_nano_usd)
                       FILTER (WHERE r.hour >= date_trunc('day', now(), 'UTC')), 0) - open.held AS left_today,
                     item.monthly_budget - coalesce(sum(r.cost_nano_usd), 0) - open.held AS left_this_month
              FROM (SELECT coalesce((SELECT w.held_nano_usd FROM allowance w WHERE w.subject_id = item.api_key_id), 0) AS held) open
              LEFT JOIN usage_rollup r ON r.account_id = item.account_id AND r.api_key_id = item.api_key_id
                AND r.hour >= date_trunc('month', now(), 'UTC')
              GROUP BY open.held) b;
      IF budget_left >= item.least_amount AND budget_left > 0 THEN
        grant_nano := least(grant_nano, budget_left);
        outcome := NULL;
      END IF;
    END IF;
    is_limited := item.is_key_limited OR item.user_rpm IS NOT NULL OR item.user_tpm IS NOT NULL OR item.user_at_once IS NOT NULL;
    IF outcome IS NULL AND is_limited THEN
      SELECT t.* INTO place FROM take_place(item.api_key_id, item.key_rpm, item.key_tpm, item.key_at_once, grant_nano) t;
      IF place.refusal IS NULL THEN
        IF item.key_rpm IS NOT NULL OR item.key_tpm IS NOT NULL THEN
          details := jsonb_build_object('limit_requests', item.key_rpm, 'remaining_requests', place.remaining_requests,
            'limit_tokens', item.key_tpm, 'remaining_tokens', place.remaining_tokens);
        END IF;
        SELECT t.* INTO place FROM take_place(item.account_id, item.user_rpm, item.user_tpm, item.user_at_once, grant_nano) t;
        IF place.refusal IS NOT NULL THEN
          -- The key's place is given back: one that was refused has not been taken.
          UPDATE allowance w SET in_flight = w.in_flight - 1, held_nano_usd = w.held_nano_usd - grant_nano,
              milli_requests = w.milli_requests + CASE WHEN item.key_rpm IS NULL THEN 0 ELSE 1000 END
            WHERE w.subject_id = item.api_key_id;
        ELSIF details IS NULL AND (item.user_rpm IS NOT NULL OR item.user_tpm IS NOT NULL) THEN
          details := jsonb_build_object('limit_requests', item.user_rpm, 'remaining_requests', place.remaining_requests,
            'limit_tokens', item.user_tpm, 'remaining_tokens', place.remaining_tokens);
        END IF;
      END IF;
      IF place.refusal IS NOT NULL THEN
        outcome := place.refusal;
        details := jsonb_build_object('retry_after_ms', place.retry_after_ms);
      END IF;
    END IF;
    IF outcome IS NULL THEN
      INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model, input_tokens_bound,
                        instance_id, instance_epoch, dispatched_at, is_limited)
        VALUES (item.id, item.account_id, item.api_key_id, grant_nano, item.price_version_id, item.endpoint, item.model,
                item.input_tokens_bound, instance, epoch, now(), is_limited);
      UPDATE account a SET held_nano_usd = a.held_nano_usd + grant_nano WHERE a.id = item.account_id;
      outcome := 'held';
      amount_nano_usd := grant_nano;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE FUNCTION hold_batch(ids uuid[], accounts uuid[], keys uuid[], amounts bigint[], min_amounts bigint[],
  price_versions uuid[], endpoints text[], models text[], input_bounds bigint[], instance uuid, epoch bigint,
  default_limits int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint, details jsonb) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    WITH item AS MATERIALIZED (
      SELECT * FROM unnest(ids, accounts, keys, amounts, price_versions, endpoints, models, input_bounds)
        AS i(id, account_id, api_key_id, amount, price_version_id, endpoint, model, input_tokens_bound)
    ), payer AS MATERIALIZED (
      SELECT w.account_id, w.api_key_id FROM item w GROUP BY 1, 2
    ), judged AS (
      SELECT coalesce(bool_and(coalesce(a.kind = 'wallet' AND u.status = 'active' AND k.status = 'active'
            AND k.user_id = a.user_id AND NOT k.is_limited AND NOT u.is_limited, false)), false)
          AND default_limits = '{NULL,NULL,NULL}' AS can_hold_all
        FROM payer p
        LEFT JOIN account a ON a.id = p.account_id
        LEFT JOIN "user" u ON u.id = a.user_id
        LEFT JOIN api_key k ON k.id = p.api_key_id
    ), afforded AS (
      SELECT coalesce(bool_and(coalesce(debt.id IS NULL AND w.amount <= a.balance_nano_usd - a.held_nano_usd
            AND (a.balance_nano_usd > a.held_nano_usd OR w.amount = 0), false)), false) AS can_hold_all
        FROM (SELECT i.account_id, sum(i.amount) AS amount FROM item i GROUP BY 1) w
        LEFT JOIN account a ON a.id = w.account_id
        LEFT JOIN account debt ON debt.user_id = a.user_id AND debt.kind = 'receivable' AND debt.balance_nano_usd > 0
    ), known AS (
      SELECT NOT EXISTS (SELECT 1 FROM item i JOIN hold h ON h.id = i.id) AS can_hold_all
    ), held AS (
      INSERT INTO hold AS h (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
          input_tokens_bound, instance_id, instance_epoch, dispatched_at)
        SELECT j.id, j.account_id, j.api_key_id, j.amount, j.price_version_id, j.endpoint, j.model, j.input_tokens_bound,
          instance, epoch, now()
        FROM item j
        WHERE (SELECT can_hold_all FROM judged) AND (SELECT can_hold_all FROM afforded) AND (SELECT can_hold_all FROM known)
      RETURNING h.id, h.account_id, h.amount_nano_usd
    ), taken AS (
      UPDATE account a SET held_nano_usd = a.held_nano_usd + t.amount
        FROM (SELECT h.account_id, sum(h.amount_nano_usd)::bigint AS amount FROM held h GROUP BY 1) t
        WHERE a.id = t.account_id
    )
    SELECT h.id, 'held', h.amount_nano_usd, NULL::jsonb FROM held h;
  -- Anything else (money that runs short, a limit, a suspended user, a hold that is there already) is decided one by one.
  IF NOT FOUND THEN
    RETURN QUERY SELECT * FROM hold_one_by_one(ids, accounts, keys, amounts, min_amounts, price_versions, endpoints, models,
      input_bounds, instance, epoch, default_limits);
  END IF;
END $$;

-- One flush: what is settled first, so that its money is free for what is held; one lock of each account, one commit.
-- Its plans are kept from when the tables were empty, so they are told to use the indexes from the first day on.
CREATE FUNCTION ledger_batch(
  settle_ids uuid[], are_captured boolean[], costs bigint[], bases charge_basis[], flag_lists text[], usages jsonb[],
  input_tokens bigint[], output_tokens bigint[], served_models text[], service_tiers text[], upstream_ids uuid[],
  upstream_request_ids text[], upstream_response_ids text[], statuses int[], are_streams boolean[], first_byte_ms int[],
  latencies_ms int[],
  hold_ids uuid[], accounts uuid[], keys uuid[], amounts bigint[], min_amounts bigint[], price_versions uuid[],
  endpoints text[], models text[], input_bounds bigint[], instance uuid, epoch bigint, default_limits int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint, details jsonb)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET enable_material = off AS $$
BEGIN
  PERFORM 1 FROM account
    WHERE account.id IN (
      SELECT h.account_id FROM unnest(settle_ids) AS i(id) JOIN hold h ON h.id = i.id
      UNION SELECT i.id FROM unnest(accounts) AS i(id))
    ORDER BY account.id FOR UPDATE;
  IF settle_ids <> '{}' THEN
    RETURN QUERY SELECT s.*, NULL::jsonb FROM settle_batch(settle_ids, are_captured, costs, bases, flag_lists, usages, input_tokens,
      output_tokens, served_models, service_tiers, upstream_ids, upstream_request_ids, upstream_response_ids, statuses,
      are_streams, first_byte_ms, latencies_ms) s;
  END IF;
  IF hold_ids <> '{}' THEN
    RETURN QUERY SELECT * FROM hold_batch(hold_ids, accounts, keys, amounts, min_amounts, price_versions, endpoints,
      models, input_bounds, instance, epoch, default_limits);
  END IF;
END $$;
