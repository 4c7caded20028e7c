-- Records the progress of streams. It is not worth a wait for the disk: what is lost with it is an estimate. A hold
-- that is being settled is passed over: waiting for it, and for another one, two batches could wait for each other.
CREATE OR REPLACE FUNCTION checkpoint_holds(items jsonb)
RETURNS void
LANGUAGE sql SET synchronous_commit = off AS $$
  WITH i AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(items) AS i(
      id uuid, upstream_response_id text, observed_output_tokens bigint, estimated_input_tokens bigint)
  ), free AS MATERIALIZED (
    SELECT hold.id FROM hold WHERE hold.id IN (SELECT i.id FROM i) AND hold.state = 'open'
      FOR NO KEY UPDATE SKIP LOCKED
  )
  UPDATE hold
    SET first_byte_at = coalesce(first_byte_at, now()), upstream_response_id = i.upstream_response_id,
      observed_output_tokens = i.observed_output_tokens, estimated_input_tokens = i.estimated_input_tokens
    FROM i JOIN free USING (id)
    WHERE hold.id = i.id;
$$;
-- version 3, checksum 6f4850cc675d182d
