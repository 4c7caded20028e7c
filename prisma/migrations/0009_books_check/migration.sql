-- What `verify` needs to prove the audit log too, and to leave its word where every process finds it.

-- The newest link of the audit log's chain: without it, lines cut off at the end would leave no gap. No row: no line yet.
CREATE TABLE audit_head (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  last_id bigint NOT NULL,
  hash    bytea NOT NULL
);
INSERT INTO audit_head (last_id, hash) SELECT id, hash FROM audit_log ORDER BY id DESC LIMIT 1;

-- A link covers the whole line; those written before this migration left out the actor's address of mail.
CREATE FUNCTION audit_link(previous bytea, at timestamptz, actor uuid, email text, act text, kind text, target text,
  from_address text, said jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(previous || convert_to(jsonb_build_array(extract(epoch FROM at)::text, actor, email, act, kind, target,
    from_address, said)::text, 'UTF8'));
$$;
CREATE OR REPLACE FUNCTION append_audit(actor uuid, email text, act text, kind text, target text, from_address text,
  said jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  previous bytea;
  at timestamptz := clock_timestamp();
BEGIN
  PERFORM pg_advisory_xact_lock(7305112);
  SELECT h.hash INTO previous FROM audit_head h;
  WITH line AS (
    INSERT INTO audit_log (created_at, actor_id, actor_email, action, target_kind, target_id, address, details, hash)
      VALUES (at, actor, email, act, kind, target, from_address, said,
        audit_link(coalesce(previous, decode(repeat('00', 32), 'hex')), at, actor, email, act, kind, target, from_address, said))
      RETURNING id, hash
  )
  INSERT INTO audit_head AS h (last_id, hash) SELECT line.id, line.hash FROM line
    ON CONFLICT (is_only) DO UPDATE SET last_id = excluded.last_id, hash = excluded.hash;
END $$;

-- What each run of `verify` in production came to.
CREATE TABLE books_check (
  id          uuid PRIMARY KEY,
  started_at  timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  is_sound    boolean NOT NULL,
  findings    jsonb NOT NULL -- [{ invariant, says, checked, breaches }]
);
CREATE INDEX books_check_finished_idx ON books_check (finished_at);
