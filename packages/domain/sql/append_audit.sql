-- Appends a line to the audit log, chained by hash; one at a time, so that the chain has one order. The newest link
-- also stands in audit_head: without it, lines cut off at the end would leave no gap.
CREATE OR REPLACE FUNCTION append_audit(
  actor uuid, email text, act text, kind text, target text, from_address text, said jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  previous bytea;
  at timestamptz := clock_timestamp();
BEGIN
  PERFORM pg_advisory_xact_lock(7305112);
  SELECT h.hash INTO previous FROM audit_head h;
  WITH line AS (
    INSERT INTO audit_log (created_at, actor_id, actor_email, action, target_kind, target_id, address, details, hash)
      VALUES (
        at, actor, email, act, kind, target, from_address, said,
        audit_link(
          coalesce(previous, decode(repeat('00', 32), 'hex')),
          at, actor, email, act, kind, target, from_address, said))
      RETURNING id, hash
  )
  INSERT INTO audit_head AS h (last_id, hash)
    SELECT line.id, line.hash FROM line
    ON CONFLICT (is_only) DO UPDATE SET last_id = excluded.last_id, hash = excluded.hash;
END $$;
-- version 1, checksum 2d7ebb2586a455bd
