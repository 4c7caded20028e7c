-- Adds to what a user owes beyond the wallet, with an entry of this kind. Called with the wallet's row locked, which guards
-- this one too.
CREATE OR REPLACE FUNCTION add_debt_entry(wallet uuid, entry entry_kind, ref uuid, amount bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  debt account%ROWTYPE;
BEGIN
  INSERT INTO account (id, kind, user_id)
    SELECT gen_random_uuid(), 'receivable', user_id FROM account WHERE id = wallet
    ON CONFLICT (user_id, kind) DO NOTHING;
  SELECT r.* INTO debt
    FROM account r JOIN account w ON w.user_id = r.user_id AND w.id = wallet
    WHERE r.kind = 'receivable' FOR NO KEY UPDATE OF r;
  UPDATE account
    SET balance_nano_usd = debt.balance_nano_usd + amount, seq = debt.seq + 1,
      head_hash = entry_hash(debt.head_hash, entry, ref, amount, debt.balance_nano_usd + amount, debt.seq + 1)
    WHERE id = debt.id;
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT id, seq, entry, add_debt_entry.ref, add_debt_entry.amount, balance_nano_usd, head_hash
    FROM account WHERE id = debt.id;
END $$;
-- version 1, checksum db3057a13795b411
