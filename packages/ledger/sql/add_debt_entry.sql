-- Adds to what a user owes beyond the wallet, with an entry of this kind. Called with the wallet's row locked, which
-- guards this one too.
CREATE OR REPLACE FUNCTION add_debt_entry(wallet uuid, entry entry_kind, ref uuid, amount bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  debt_id uuid;
BEGIN
  INSERT INTO account (id, kind, user_id)
    SELECT gen_random_uuid(), 'receivable', user_id FROM account WHERE id = wallet
    ON CONFLICT (user_id, kind) DO NOTHING;
  SELECT r.id INTO debt_id
    FROM account r JOIN account w ON w.user_id = r.user_id AND w.id = wallet
    WHERE r.kind = 'receivable' FOR NO KEY UPDATE OF r;
  PERFORM append_entry(debt_id, entry, ref, amount);
END $$;
-- version 2, checksum 87682ee1484e639f
