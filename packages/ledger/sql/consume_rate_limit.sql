-- Says whether the limits of one subject, a key or a wallet, let one more request through (`refusal` null: they do), and
-- counts it where they do. Of the minute's tokens it takes as many as the request can use (`tokens`): requests that run
-- side by side see each other. Its settlement gives back what it did not use. One request may take more than is left,
-- which those behind it wait for.
CREATE OR REPLACE FUNCTION consume_rate_limit(
  subject uuid, per_minute int, tokens_a_minute int, at_once int, amount bigint, tokens bigint)
RETURNS TABLE (refusal text, retry_after_ms bigint, remaining_requests bigint, remaining_tokens bigint)
LANGUAGE plpgsql AS $$
DECLARE
  w allowance%ROWTYPE;
BEGIN
  INSERT INTO allowance (subject_id, milli_requests, milli_tokens, refilled_at)
    VALUES (subject, coalesce(per_minute, 0) * 1000::bigint, coalesce(tokens_a_minute, 0) * 1000::bigint,
      clock_timestamp())
    ON CONFLICT (subject_id) DO NOTHING;
  SELECT * INTO w FROM allowance WHERE subject_id = subject FOR UPDATE;
  w.milli_requests := coalesce(refilled(w.milli_requests, w.refilled_at, per_minute), 0);
  w.milli_tokens := coalesce(refilled(w.milli_tokens, w.refilled_at, tokens_a_minute), 0);

  retry_after_ms := 0;
  IF w.in_flight >= at_once THEN
    refusal := 'concurrent_requests';
    retry_after_ms := 1000;
  ELSIF per_minute IS NOT NULL AND w.milli_requests < 1000 THEN
    refusal := 'requests_per_minute';
    retry_after_ms := (1000 - w.milli_requests) * 60 / per_minute + 1;
  ELSIF tokens_a_minute IS NOT NULL AND w.milli_tokens <= 0 THEN
    refusal := 'tokens_per_minute';
    -- What was taken for requests that still run comes back with their settlements, before it would have grown again.
    retry_after_ms := least((1000 - w.milli_tokens) * 60 / tokens_a_minute + 1, 60000);
  ELSE
    w.milli_requests := w.milli_requests - CASE WHEN per_minute IS NULL THEN 0 ELSE 1000 END;
    w.milli_tokens := w.milli_tokens - CASE WHEN tokens_a_minute IS NULL THEN 0 ELSE 1000 * tokens END;
    w.in_flight := w.in_flight + 1;
    w.held_nano_usd := w.held_nano_usd + amount;
  END IF;

  UPDATE allowance
    SET milli_requests = w.milli_requests, milli_tokens = w.milli_tokens, refilled_at = clock_timestamp(),
      in_flight = w.in_flight, held_nano_usd = w.held_nano_usd
    WHERE subject_id = subject;
  remaining_requests := w.milli_requests / 1000;
  remaining_tokens := greatest(w.milli_tokens / 1000, 0);
  RETURN NEXT;
END $$;
-- version 2, checksum 1431bdae10401588
