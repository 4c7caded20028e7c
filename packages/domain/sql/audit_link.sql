-- Returns the link of a line of the audit log: SHA-256 of the link before it and of the whole line.
CREATE OR REPLACE FUNCTION audit_link(
  previous bytea, at timestamptz, actor uuid, email text, act text, kind text, target text, from_address text,
  said jsonb)
RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(previous || convert_to(
    jsonb_build_array(extract(epoch FROM at)::text, actor, email, act, kind, target, from_address, said)::text,
    'UTF8'));
$$;
-- version 1, checksum 004f4766ed720e0a
