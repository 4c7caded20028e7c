-- Places holds in the order of arrival. Per item: `amount` in full or, where `min_amount` is lower, what the free
-- balance and the key's budgets still give down to it. Returns what became of each; a hold that is there already is
-- told as it stands. `tokens`: what each can use at most, for limits of tokens; null: nothing is known of it. Called by
-- ledger_settle_and_hold, which has locked the wallets.
CREATE OR REPLACE FUNCTION ledger_hold_serial(
  ids uuid[], accounts uuid[], keys uuid[], amounts bigint[], min_amounts bigint[], price_versions uuid[],
  endpoints text[], models text[], input_bounds bigint[], tokens bigint[], instance uuid, epoch bigint,
  default_limits int[])
RETURNS TABLE (hold_id uuid, outcome text, amount_nano_usd bigint, details jsonb)
LANGUAGE plpgsql AS $$
DECLARE
  item record;
  grant_nano bigint;
  left_of_budget bigint;
  is_limited boolean;
  place record;
BEGIN
  FOR item IN
    SELECT i.*, coalesce(i.min_amount, i.amount) AS least_amount, coalesce(i.most_tokens, 0) AS rate_tokens, e.refusal, k.is_limited AS is_key_limited,
        k.requests_per_minute AS key_rpm, k.tokens_per_minute AS key_tpm, k.concurrent_requests AS key_at_once,
        coalesce(u.requests_per_minute, default_limits[1]) AS user_rpm,
        coalesce(u.tokens_per_minute, default_limits[2]) AS user_tpm,
        coalesce(u.concurrent_requests, default_limits[3]) AS user_at_once,
        k.daily_budget_nano_usd AS daily_budget, k.monthly_budget_nano_usd AS monthly_budget
      FROM unnest(ids, accounts, keys, amounts, min_amounts, price_versions, endpoints, models, input_bounds, tokens)
        WITH ORDINALITY AS i(
          id, account_id, api_key_id, amount, min_amount, price_version_id, endpoint, model, input_tokens_bound, most_tokens,
          ord)
      LEFT JOIN account a ON a.id = i.account_id
      LEFT JOIN "user" u ON u.id = a.user_id
      LEFT JOIN api_key k ON k.id = i.api_key_id AND k.user_id = a.user_id
      CROSS JOIN LATERAL hold_eligibility(a.user_id, i.api_key_id) e
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
    IF item.refusal IS NOT NULL THEN
      outcome := item.refusal;
      RETURN NEXT;
      CONTINUE;
    END IF;

    SELECT least(item.amount, a.balance_nano_usd - a.held_nano_usd) INTO grant_nano FROM account a
      WHERE a.id = item.account_id AND a.kind = 'wallet';
    IF grant_nano IS NULL OR grant_nano < item.least_amount OR grant_nano <= 0 AND item.amount > 0 THEN
      outcome := 'insufficient';
      RETURN NEXT;
      CONTINUE;
    END IF;

    outcome := NULL;
    IF item.daily_budget IS NOT NULL OR item.monthly_budget IS NOT NULL THEN
      SELECT b.budget, b.left_nano_usd INTO outcome, left_of_budget
        FROM key_budget_left(item.account_id, item.api_key_id, item.daily_budget, item.monthly_budget) b;
      IF left_of_budget >= item.least_amount AND left_of_budget > 0 THEN
        grant_nano := least(grant_nano, left_of_budget);
        outcome := NULL;
      END IF;
    END IF;

    is_limited := item.is_key_limited OR item.user_rpm IS NOT NULL OR item.user_tpm IS NOT NULL
      OR item.user_at_once IS NOT NULL;
    IF outcome IS NULL AND is_limited THEN
      SELECT t.* INTO place
        FROM consume_rate_limit(
          item.api_key_id, item.key_rpm, item.key_tpm, item.key_at_once, grant_nano, item.rate_tokens) t;
      IF place.refusal IS NULL THEN
        IF item.key_rpm IS NOT NULL OR item.key_tpm IS NOT NULL THEN
          details := jsonb_build_object('limit_requests', item.key_rpm, 'remaining_requests', place.remaining_requests,
            'limit_tokens', item.key_tpm, 'remaining_tokens', place.remaining_tokens);
        END IF;
        SELECT t.* INTO place
          FROM consume_rate_limit(
            item.account_id, item.user_rpm, item.user_tpm, item.user_at_once, grant_nano, item.rate_tokens) t;
        IF place.refusal IS NOT NULL THEN
          -- The key's place is given back: one that was refused has not been taken.
          UPDATE allowance w SET in_flight = w.in_flight - 1, held_nano_usd = w.held_nano_usd - grant_nano,
              milli_requests = w.milli_requests + CASE WHEN item.key_rpm IS NULL THEN 0 ELSE 1000 END,
              milli_tokens = w.milli_tokens + CASE WHEN item.key_tpm IS NULL THEN 0 ELSE 1000 * item.rate_tokens END
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
      INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
          input_tokens_bound, instance_id, instance_epoch, dispatched_at, is_limited,
          taken_tokens)
        VALUES (item.id, item.account_id, item.api_key_id, grant_nano, item.price_version_id, item.endpoint, item.model,
          item.input_tokens_bound, instance, epoch, now(), is_limited,
          CASE WHEN is_limited THEN item.rate_tokens ELSE 0 END);
      UPDATE account a SET held_nano_usd = a.held_nano_usd + grant_nano WHERE a.id = item.account_id;
      outcome := 'held';
      amount_nano_usd := grant_nano;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
-- version 3, checksum 5f28fedd55ce3978
