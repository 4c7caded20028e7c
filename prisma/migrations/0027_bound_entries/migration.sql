-- Entries are bound to all that the row says which they are about (a charge's key, basis, flags …), by a second form of
-- their hash. Those that stand keep theirs.
ALTER TABLE ledger_entry ADD COLUMN hash_version integer NOT NULL DEFAULT 1 CHECK (hash_version IN (1, 2));

-- Roll-ups are proven hour by hour. Charges lie in the order of their times: some pages of ranges find an hour's.
CREATE INDEX charge_created_at_idx ON charge USING brin (created_at);

-- So that those that stood at a moment can be told from those that came later.
ALTER TABLE price_version ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
