-- Records the progress of streams. It is not worth a wait for the disk: what is lost with it is an estimate.
CREATE OR REPLACE FUNCTION checkpoint_holds(items jsonb)
RETURNS void
LANGUAGE sql SET synchronous_commit = off AS $$
  UPDATE hold
    SET first_byte_at = coalesce(first_byte_at, now()), upstream_response_id = i.upstream_response_id,
      observed_output_tokens = i.observed_output_tokens, estimated_input_tokens = i.estimated_input_tokens
    FROM jsonb_to_recordset(items) AS i(
      id uuid, upstream_response_id text, observed_output_tokens bigint, estimated_input_tokens bigint)
    WHERE hold.id = i.id AND hold.state = 'open';
$$;
-- version 1, checksum c0a68ffb93ba1102
