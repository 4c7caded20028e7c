-- Returns the link of an entry in its account's chain: SHA-256 of the link before it and of what the entry says.
-- STABLE, as the text of an enum is, so that PostgreSQL puts the expression in the place of its call.
CREATE OR REPLACE FUNCTION entry_hash(
  previous bytea, kind entry_kind, ref uuid, amount bigint, balance_after bigint, seq bigint)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(previous || convert_to(
  kind::text || '|' || ref::text || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8'));
-- version 3, checksum 95c375a7578a869f
