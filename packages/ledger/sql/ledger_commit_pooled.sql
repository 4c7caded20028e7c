-- Places what was drawn, and then runs a batch. `are_new`: none of it stands yet, or all fails by its key; otherwise
-- what stands is left alone, so that it may be sent twice. What is drawn from a reserve that is settled, as its
-- process was held to be dead, holds nothing: what it comes to is then taken of what is free. Returns what
-- ledger_settle_and_hold does, and the reserves ('ended') that nothing more may be drawn from.
CREATE OR REPLACE FUNCTION ledger_commit_pooled(
  drawn drawn_hold[], are_new boolean, settlements settlement[], holds hold_order[], hold_tokens bigint[], wallets uuid[],
  instance uuid, epoch bigint, default_limits int[])
RETURNS jsonb
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  debited uuid[];
  ended jsonb;
  others jsonb;
BEGIN
  -- All at once and in the order of their ids: the batch locks the same ones again.
  IF wallets IS NULL THEN
    SELECT array_agg(w.id) INTO wallets FROM (
      SELECT h.account_id AS id FROM unnest(settlements) s JOIN hold h ON h.id = s.id
      UNION SELECT o.account_id FROM unnest(holds) o
      UNION SELECT d.account_id FROM unnest(drawn) d) w;
  END IF;
  PERFORM 1 FROM account WHERE account.id = ANY (wallets) ORDER BY account.id FOR NO KEY UPDATE;
  IF NOT are_new THEN
    drawn := ARRAY(SELECT d FROM unnest(drawn) d WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = d.id));
  END IF;
  IF drawn <> '{}' THEN
    WITH asked AS MATERIALIZED (
      SELECT d.reserve_id, d.account_id, d.api_key_id, sum(d.amount)::bigint AS amount
      FROM unnest(drawn) d GROUP BY d.reserve_id, d.account_id, d.api_key_id
    ), debit AS (
      UPDATE hold r SET amount_nano_usd = r.amount_nano_usd - asked.amount
        FROM asked
        WHERE r.id = asked.reserve_id AND r.account_id = asked.account_id AND r.api_key_id = asked.api_key_id
          AND r.state = 'open' AND r.amount_nano_usd >= asked.amount
        RETURNING r.id
    )
    SELECT coalesce(array_agg(debit.id) FILTER (WHERE debit.id IS NOT NULL), '{}'),
        jsonb_agg(jsonb_build_object('id', asked.reserve_id, 'outcome', 'ended', 'amount', '0'))
          FILTER (WHERE debit.id IS NULL OR NOT may_draw(asked.account_id, asked.api_key_id))
      INTO debited, ended
      FROM asked LEFT JOIN debit ON debit.id = asked.reserve_id;
    INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
        input_tokens_bound, instance_id, instance_epoch, dispatched_at)
      SELECT d.id, d.account_id, d.api_key_id, CASE WHEN d.reserve_id = ANY (debited) THEN d.amount ELSE 0 END,
        d.price_version_id, d.endpoint, d.model, d.input_tokens_bound, d.instance_id, d.instance_epoch, now()
      FROM unnest(drawn) d;
  END IF;
  others := ledger_settle_and_hold(settlements, holds, hold_tokens, wallets, instance, epoch, default_limits);
  IF ended IS NULL THEN
    RETURN others;
  END IF;
  RETURN coalesce(others, '[]') || ended;
END $$;
-- version 3, checksum 540a962ffb28cb9f
