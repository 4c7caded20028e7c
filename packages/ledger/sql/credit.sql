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
  IF repaid > 0 THEN
    UPDATE account
      SET balance_nano_usd = debt.balance_nano_usd - repaid, seq = debt.seq + 1,
        head_hash = entry_hash(
          debt.head_hash, entry, ref, -repaid, debt.balance_nano_usd - repaid, debt.seq + 1)
      WHERE id = debt.id;
    INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
      SELECT id, seq, entry, credit.ref, -repaid, balance_nano_usd, head_hash
      FROM account WHERE id = debt.id;
  END IF;
  IF amount - repaid <> 0 THEN
    UPDATE account
      SET balance_nano_usd = row.balance_nano_usd + amount - repaid, seq = row.seq + 1,
        head_hash = entry_hash(
          row.head_hash, entry, ref, amount - repaid, row.balance_nano_usd + amount - repaid, row.seq + 1)
      WHERE id = wallet;
    INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
      SELECT id, seq, entry, credit.ref, amount - repaid, balance_nano_usd, head_hash
      FROM account WHERE id = wallet;
  END IF;
  RETURN true;
END $$;
-- version 2, checksum d745d9e467009ad0
