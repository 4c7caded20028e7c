-- Returns the link of a line as it was made before audit_link, without the actor's address of mail. `verify` proves
-- the lines of that time by it; none is made by it any more.
CREATE OR REPLACE FUNCTION audit_hash(
  previous bytea, at timestamptz, actor uuid, act text, kind text, target text, from_address text, said jsonb)
RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(previous || convert_to(
    jsonb_build_array(extract(epoch FROM at)::text, actor, act, kind, target, from_address, said)::text,
    'UTF8'));
$$;
-- version 1, checksum f92bbef113048ba2
