-- Adds to what a user owes beyond the wallet, for a charge. Called with the wallet's row locked, which guards this one too.
CREATE OR REPLACE FUNCTION add_debt(wallet uuid, ref uuid, amount bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM add_debt_entry(wallet, 'debt', ref, amount);
END $$;
-- version 1, checksum ac142ff5439f653b
