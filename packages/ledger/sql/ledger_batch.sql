-- Runs one flush for processes of the version before, which know nothing of the tokens that a hold can use.
CREATE OR REPLACE FUNCTION ledger_batch(
  settlements settlement[], holds hold_order[], wallets uuid[], instance uuid, epoch bigint, default_limits int[])
RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  RETURN ledger_settle_and_hold(settlements, holds, NULL, wallets, instance, epoch, default_limits);
END $$;
-- version 8, checksum 7e1fccecd8722ada
