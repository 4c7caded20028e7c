-- Corrects charges that were estimated for a process that was taken for dead, by what it knows: once each, by one
-- true-up. Gives back what was too much, a debt first; takes what was too little of what is free, and the rest becomes
-- a debt. A charge that an admin has refunded stays as it is. The roll-up of this hour follows, and with it the key's
-- budgets. Returns the holds whose charges it corrected. Called by ledger_batch, which has locked the wallets.
CREATE OR REPLACE FUNCTION true_up_orphans(items settlement[])
RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
  item record;
  cost bigint;
  missing bigint;
  taken bigint;
  corrected uuid[] := '{}';
BEGIN
  FOR item IN
    SELECT s.*, c.account_id, c.api_key_id, c.model, c.cost_nano_usd AS charged, t.input_tokens AS charged_input,
        t.output_tokens AS charged_output
      FROM unnest(items) AS s
      JOIN charge c ON c.hold_id = s.id AND c.basis = 'orphan' AND 'process_died' = ANY (c.flags)
      CROSS JOIN LATERAL token_sums(c.usage) t
      WHERE (NOT s.is_captured OR s.basis <> 'orphan')
        AND NOT EXISTS (SELECT 1 FROM adjustment r WHERE r.source = 'refund' AND r.source_id = s.id::text)
  LOOP
    cost := CASE WHEN item.is_captured THEN item.cost ELSE 0 END;
    INSERT INTO true_up (hold_id, account_id, charged_nano_usd, cost_nano_usd, usage, served_model, service_tier, basis,
        flags, upstream_id, upstream_request_id, upstream_response_id, status, is_stream, time_to_first_byte_ms,
        latency_ms)
      VALUES (item.id, item.account_id, item.charged, cost, coalesce(item.usage, '{}'), item.served_model,
        item.service_tier, coalesce(item.basis, 'exact')::charge_basis, coalesce(item.flags, '{}') || 'trued_up'::text,
        item.upstream_id, item.upstream_request_id, item.upstream_response_id, coalesce(item.status, 0),
        coalesce(item.is_stream, false), item.time_to_first_byte_ms, coalesce(item.latency_ms, 0))
      ON CONFLICT (hold_id) DO NOTHING;
    CONTINUE WHEN NOT FOUND;
    corrected := corrected || item.id;
    missing := cost - item.charged;
    IF missing < 0 THEN
      PERFORM credit(item.account_id, 'true_up', item.id, -missing);
    ELSIF missing > 0 THEN
      SELECT least(missing, a.balance_nano_usd - a.held_nano_usd) INTO taken
        FROM account a WHERE a.id = item.account_id;
      IF taken > 0 THEN PERFORM credit(item.account_id, 'true_up', item.id, -taken); END IF;
      IF missing > taken THEN PERFORM add_debt_entry(item.account_id, 'true_up', item.id, missing - taken); END IF;
    ELSE
      -- What it says instead is bound to the chain, too.
      PERFORM append_entry(item.account_id, 'true_up', item.id, 0);
    END IF;
    INSERT INTO usage_rollup AS roll (
        account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
      VALUES (item.account_id, item.api_key_id, item.model, date_trunc('hour', now()), 0,
        coalesce(item.input_tokens, 0) - item.charged_input, coalesce(item.output_tokens, 0) - item.charged_output,
        missing)
      ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
        input_tokens = roll.input_tokens + excluded.input_tokens,
        output_tokens = roll.output_tokens + excluded.output_tokens,
        cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd;
  END LOOP;
  RETURN corrected;
END $$;
-- version 4, checksum a1f0fa95e774aa04
