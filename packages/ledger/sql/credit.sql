-- Adds `amount` to a wallet (below zero: takes it), paying an open debt first. Returns false where free money does not
-- cover it. Locks the wallet, which guards the debt, against other changes, not against rows that refer to it: whoever
-- writes one of these before would have to wait for all others who did.
CREATE OR REPLACE FUNCTION credit(wallet uuid, entry entry_kind, ref uuid, amount bigint)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  row account%ROWTYPE;
  debt account%ROWTYPE;
  repaid bigint;
BEGIN
  SELECT * INTO row FROM account WHERE id = wallet AND kind = 'wallet' FOR NO KEY UPDATE;
  IF NOT FOUND OR row.balance_nano_usd + amount < row.held_nano_usd THEN RETURN false; END IF;
  SELECT * INTO debt FROM account WHERE user_id = row.user_id AND kind = 'receivable' FOR NO KEY UPDATE;
  repaid := CASE WHEN amount > 0 THEN least(amount, coalesce(debt.balance_nano_usd, 0)) ELSE 0 END;
  IF repaid > 0 THEN PERFORM append_entry(debt.id, entry, ref, -repaid); END IF;
  IF amount <> repaid THEN PERFORM append_entry(wallet, entry, ref, amount - repaid); END IF;
  RETURN true;
END $$;
-- version 3, checksum ce98ad3d17453123
