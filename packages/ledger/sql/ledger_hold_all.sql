-- Places the holds of each wallet that can hold all of them in full: a wallet of an active user without limits and
-- debts, whose keys are active and have none either. Returns the other wallets, of whose holds nothing stands:
-- ledger_batch decides about them one by one, behind what is to be settled. Null: there are none. Sent twice it fails
-- as a whole, by the key of the holds.
--
-- A wallet that has the money has it whatever is still to be settled. Holds alone are a third cheaper than
-- ledger_batch, and what nobody waits for can be settled less often: one lock of each wallet, one statement, one
-- commit. Its plans are kept from when the tables were empty, as ledger_batch's are.
CREATE OR REPLACE FUNCTION ledger_hold_all(holds hold_order[], wallets uuid[], instance uuid, epoch bigint)
RETURNS uuid[]
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  placed int;
BEGIN
  -- One wallet is locked by its update; several, as everywhere, in the order of their ids.
  IF cardinality(wallets) > 1 THEN
    PERFORM 1 FROM account WHERE account.id = ANY (wallets) ORDER BY account.id FOR NO KEY UPDATE;
  END IF;
  WITH wallet AS (
    UPDATE account a SET held_nano_usd = (a.held_nano_usd + asked.amount)::bigint
      FROM (SELECT o.account_id, sum(o.amount) AS amount, array_agg(DISTINCT o.api_key_id) AS keys
            FROM unnest(holds) o GROUP BY o.account_id) asked
      WHERE a.id = asked.account_id AND a.kind = 'wallet'
        AND a.held_nano_usd + asked.amount <= a.balance_nano_usd
        AND NOT EXISTS (
          SELECT 1 FROM unnest(asked.keys) AS key_id CROSS JOIN LATERAL hold_eligibility(a.user_id, key_id) e
          WHERE e.needs_slow_path)
      RETURNING a.id
  )
  INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
      input_tokens_bound, instance_id, instance_epoch, dispatched_at)
    SELECT o.id, o.account_id, o.api_key_id, o.amount, o.price_version_id, o.endpoint, o.model,
      o.input_tokens_bound, instance, epoch, now()
    FROM wallet JOIN unnest(holds) AS o ON o.account_id = wallet.id;
  GET DIAGNOSTICS placed = ROW_COUNT;
  IF placed = cardinality(holds) THEN
    RETURN NULL;
  END IF;
  RETURN ARRAY(
    SELECT DISTINCT o.account_id FROM unnest(holds) o
    WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.id = o.id));
END $$;
-- version 3, checksum 8bbe3c7da18fb56f
