-- Places pooled holds and runs a batch for processes of the version before, as ledger_batch does.
CREATE OR REPLACE FUNCTION ledger_draw_and_batch(
  drawn drawn_hold[], are_new boolean, settlements settlement[], holds hold_order[], wallets uuid[], instance uuid,
  epoch bigint, default_limits int[])
RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  RETURN ledger_commit_pooled(drawn, are_new, settlements, holds, NULL, wallets, instance, epoch, default_limits);
END $$;
-- version 3, checksum 5d0578636c3a8d23
