-- Returns the next link of a chain of captures: the step of the aggregate capture_chain.
CREATE OR REPLACE FUNCTION link_capture(
  link bytea, head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN sha256(coalesce(link, head) || convert_to(
    'capture|' || ref || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8'));
END $$;
-- version 1, checksum 5914cfab3295e850
