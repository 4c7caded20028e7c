-- Moves the balance of an account by `amount` and enters why, as the next link of the account's chain. Called with the
-- account's row locked, or with its wallet's, which guards it. (Captures are many at a time: ledger_batch enters
-- these.)
CREATE OR REPLACE FUNCTION append_entry(account_id uuid, entry entry_kind, ref uuid, amount bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  WITH moved AS (
    UPDATE account a
      SET balance_nano_usd = a.balance_nano_usd + amount, seq = a.seq + 1,
        head_hash = entry_hash(a.head_hash, entry, ref, amount, a.balance_nano_usd + amount, a.seq + 1)
      WHERE a.id = append_entry.account_id
      RETURNING a.id, a.seq, a.balance_nano_usd, a.head_hash
  )
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT moved.id, moved.seq, entry, append_entry.ref, amount, moved.balance_nano_usd, moved.head_hash FROM moved;
END $$;
-- version 1, checksum b38d4e724d1d7a2f
