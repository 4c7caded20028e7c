-- Sets aside what is asked for, where its wallet has eight times as much and neither user nor key has limits or debts.
-- Returns the ids of what it has set aside.
CREATE OR REPLACE FUNCTION ledger_reserve(reserves hold_order[], instance uuid, epoch bigint)
RETURNS uuid[]
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  asked hold_order;
  placed uuid[] := '{}';
BEGIN
  PERFORM 1 FROM account
    WHERE account.id IN (SELECT r.account_id FROM unnest(reserves) r)
    ORDER BY account.id FOR NO KEY UPDATE;
  FOREACH asked IN ARRAY reserves LOOP
    -- Sent twice.
    IF EXISTS (SELECT 1 FROM hold WHERE hold.id = asked.id) THEN
      placed := placed || asked.id;
      CONTINUE;
    END IF;
    CONTINUE WHEN NOT may_draw(asked.account_id, asked.api_key_id);
    UPDATE account a SET held_nano_usd = a.held_nano_usd + asked.amount
      WHERE a.id = asked.account_id AND 8 * asked.amount <= a.balance_nano_usd - a.held_nano_usd;
    CONTINUE WHEN NOT FOUND;
    INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
        input_tokens_bound, instance_id, instance_epoch)
      VALUES (asked.id, asked.account_id, asked.api_key_id, asked.amount, asked.price_version_id, asked.endpoint,
        asked.model, asked.input_tokens_bound, instance, epoch);
    placed := placed || asked.id;
  END LOOP;
  RETURN placed;
END $$;
-- version 2, checksum 829648871fd73177
