-- Returns the digest of all that a charge says, which its entries are bound to. As a row's text, members that are null,
-- empty or hold a separator differ; a time is its seconds, which no session's time zone changes. Columns that are added
-- later are not in it: what they say then has a digest, and entries a version, of its own.
CREATE OR REPLACE FUNCTION charge_digest(c charge)
RETURNS bytea
LANGUAGE sql STABLE AS $$
  SELECT sha256(convert_to(ROW(c.hold_id, c.account_id, c.api_key_id, extract(epoch FROM c.created_at), c.endpoint,
    c.model, c.served_model, c.usage, c.price_version_id, c.service_tier, c.cost_nano_usd, c.basis, c.flags,
    c.upstream_id, c.upstream_request_id, c.upstream_response_id, c.status, c.is_stream, c.time_to_first_byte_ms,
    c.latency_ms)::text, 'UTF8'))
$$;
-- version 1, checksum cffdb873a75bc548
