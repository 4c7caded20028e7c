-- What running it needs: checkpoints of streams, the owner of an upstream's response, and word of every change.

-- Estimated from the prompt while its stream runs; null: nothing was written down before the process died.
ALTER TABLE hold ADD COLUMN estimated_input_tokens bigint;

-- Who may continue a response: the one who paid for it.
CREATE INDEX charge_response_idx ON charge (upstream_response_id)
  WHERE endpoint = 'responses' AND upstream_response_id IS NOT NULL;

-- The first start's one-time token; there is no owner while it stands here. One row at most.
CREATE TABLE setup (
  is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  token_hash bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Progress of streams. Not worth a wait for the disk: what is lost with it is an estimate.
CREATE FUNCTION checkpoint_holds(items jsonb) RETURNS void LANGUAGE sql SET synchronous_commit = off AS $$
  UPDATE hold SET first_byte_at = coalesce(first_byte_at, now()), upstream_response_id = i.upstream_response_id,
      observed_output_tokens = i.observed_output_tokens, estimated_input_tokens = i.estimated_input_tokens
    FROM jsonb_to_recordset(items) AS i(id uuid, upstream_response_id text, observed_output_tokens bigint,
      estimated_input_tokens bigint)
    WHERE hold.id = i.id AND hold.state = 'open';
$$;

-- Every process caches keys, upstreams, settings and prices; each change tells all of them what to forget.
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('codex_gateway', TG_ARGV[0]);
  RETURN NULL;
END $$;
CREATE TRIGGER api_key_changed AFTER UPDATE OF name, secret_hash, previous_secret_hash, previous_secret_expires, status,
  allowed_models, allowed_endpoints, allowed_addresses, expires_at OR DELETE ON api_key
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('keys');
CREATE TRIGGER user_changed AFTER UPDATE OF status, role OR DELETE ON "user"
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('keys');
CREATE TRIGGER upstream_changed AFTER INSERT OR UPDATE OR DELETE ON upstream
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('upstreams');
CREATE TRIGGER setting_changed AFTER INSERT OR UPDATE OR DELETE ON setting
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('settings');
CREATE TRIGGER price_changed AFTER INSERT OR UPDATE ON price_version
  FOR EACH STATEMENT EXECUTE FUNCTION tell_change('prices');

-- Appends to the audit log, chained by hash; one at a time, so that the chain has one order.
CREATE FUNCTION append_audit(actor uuid, email text, act text, kind text, target text, from_address text, said jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  previous bytea;
  at timestamptz := clock_timestamp();
BEGIN
  PERFORM pg_advisory_xact_lock(7305112);
  SELECT hash INTO previous FROM audit_log ORDER BY id DESC LIMIT 1;
  INSERT INTO audit_log (created_at, actor_id, actor_email, action, target_kind, target_id, address, details, hash)
    VALUES (at, actor, email, act, kind, target, from_address, said,
      audit_hash(coalesce(previous, decode(repeat('00', 32), 'hex')), at, actor, act, kind, target, from_address, said));
END $$;
CREATE FUNCTION audit_hash(previous bytea, at timestamptz, actor uuid, act text, kind text, target text,
  from_address text, said jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(previous || convert_to(jsonb_build_array(extract(epoch FROM at)::text, actor, act, kind, target,
    from_address, said)::text, 'UTF8'));
$$;
