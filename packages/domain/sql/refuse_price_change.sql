-- Refuses to edit a price: a request in flight keeps the version that its hold names. A price may only be retired.
CREATE OR REPLACE FUNCTION refuse_price_change()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(OLD) - 'retired_at' IS DISTINCT FROM to_jsonb(NEW) - 'retired_at' THEN
    RAISE EXCEPTION 'price_version is immutable' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
-- version 1, checksum 6643fee89de49a2b
