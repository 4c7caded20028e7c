-- Returns the link of an entry in its account's chain: SHA-256 of the link before it, of what the entry says, and of the
-- digest of the row that it is about. STABLE, as the text of an enum is, so that PostgreSQL puts the expression in the
-- place of its call.
CREATE OR REPLACE FUNCTION entry_link(
  previous bytea, kind entry_kind, ref uuid, amount bigint, balance_after bigint, seq bigint, subject bytea)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(previous || convert_to(
  kind::text || '|' || ref::text || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8') || subject);
-- version 1, checksum 27bc1482ea778b58
