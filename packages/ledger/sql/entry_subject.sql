-- Returns the row that an entry is about: whose wallet it names, when it was written, and the digest of all that it says
-- (columns as in charge_digest). No row: there is none.
CREATE OR REPLACE FUNCTION entry_subject(entry entry_kind, row_id uuid)
RETURNS TABLE (wallet uuid, written_at timestamptz, digest bytea)
LANGUAGE sql STABLE AS $$
  SELECT c.account_id, c.created_at, charge_digest(c)
    FROM charge c WHERE entry IN ('capture', 'debt') AND c.hold_id = row_id
  UNION ALL
  SELECT t.account_id, t.created_at, sha256(convert_to(ROW(t.id, t.account_id, t.source, t.source_id, t.amount_nano_usd,
      extract(epoch FROM t.created_at))::text, 'UTF8'))
    FROM top_up t WHERE entry = 'top_up' AND t.id = row_id
  UNION ALL
  SELECT j.account_id, j.created_at, sha256(convert_to(ROW(j.id, j.account_id, j.source, j.source_id, j.amount_nano_usd,
      j.is_paid, j.note, j.actor_id, extract(epoch FROM j.created_at))::text, 'UTF8'))
    FROM adjustment j WHERE entry = 'adjustment' AND j.id = row_id
  UNION ALL
  SELECT u.account_id, u.created_at, sha256(convert_to(ROW(u.hold_id, u.account_id, extract(epoch FROM u.created_at),
      u.charged_nano_usd, u.cost_nano_usd, u.usage, u.served_model, u.service_tier, u.basis, u.flags, u.upstream_id,
      u.upstream_request_id, u.upstream_response_id, u.status, u.is_stream, u.time_to_first_byte_ms,
      u.latency_ms)::text, 'UTF8'))
    FROM true_up u WHERE entry = 'true_up' AND u.hold_id = row_id
$$;
-- version 1, checksum c3996010d881a1f7
