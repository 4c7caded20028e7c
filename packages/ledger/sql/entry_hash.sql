-- Returns the link of an entry as it was made before entry_link (hash_version 1), without what its row says. `verify`
-- proves the entries of that time by it; none is made by it any more. STABLE, as the text of an enum is, so that
-- PostgreSQL puts the expression in the place of its call.
CREATE OR REPLACE FUNCTION entry_hash(
  previous bytea, kind entry_kind, ref uuid, amount bigint, balance_after bigint, seq bigint)
RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sha256(previous || convert_to(
  kind::text || '|' || ref::text || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8'));
-- version 4, checksum 0fd6242203c0c0e7
