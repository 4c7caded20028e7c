-- Moves the balance of an account by `amount` and enters why, as the next link of the account's chain. Called with the
-- account's row locked, or with its wallet's, which guards it, once the row that the entry is about stands. (Captures
-- are many at a time: ledger_batch enters these.)
CREATE OR REPLACE FUNCTION append_entry(account_id uuid, entry entry_kind, ref uuid, amount bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  subject bytea;
BEGIN
  SELECT s.digest INTO subject FROM entry_subject(entry, append_entry.ref) s;
  IF subject IS NULL THEN
    RAISE EXCEPTION 'An entry (%) without the row that it is about: %', entry, ref;
  END IF;
  WITH moved AS (
    UPDATE account a
      SET balance_nano_usd = a.balance_nano_usd + amount, seq = a.seq + 1,
        head_hash = entry_link(a.head_hash, entry, ref, amount, a.balance_nano_usd + amount, a.seq + 1, subject)
      WHERE a.id = append_entry.account_id
      RETURNING a.id, a.seq, a.balance_nano_usd, a.head_hash
  )
  INSERT INTO ledger_entry (
      account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, hash_version)
    SELECT moved.id, moved.seq, entry, append_entry.ref, amount, moved.balance_nano_usd, moved.head_hash, 2
    FROM moved;
END $$;
-- version 2, checksum aebec1cb9c12ad71
