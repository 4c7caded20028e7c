-- Takes an idempotency key for a new request ('claimed'), or says what became of the request that had it: 'running',
-- 'answered', 'spent' (charged, and its answer is not kept) or 'other_body'. A key is free again when its request was
-- released, never held, or expired. Whether a request is under way is the state of its hold: no second one could
-- differ.
CREATE OR REPLACE FUNCTION claim_idempotency(
  caller uuid, named text, digest bytea, new_hold uuid, expires timestamptz)
RETURNS TABLE (
  outcome text, earlier_hold uuid, earlier_status int, earlier_content_type text, earlier_answer bytea)
LANGUAGE plpgsql AS $$
DECLARE
  known idempotency%ROWTYPE;
  held hold_state;
BEGIN
  INSERT INTO idempotency (api_key_id, key, body_digest, hold_id, expires_at)
    VALUES (caller, named, digest, new_hold, expires)
    ON CONFLICT (api_key_id, key) DO NOTHING;
  IF FOUND THEN
    outcome := 'claimed';
    RETURN NEXT;
    RETURN;
  END IF;

  SELECT * INTO known FROM idempotency i WHERE i.api_key_id = caller AND i.key = named FOR UPDATE;
  SELECT h.state INTO held FROM hold h WHERE h.id = known.hold_id;
  IF held = 'released' OR held = 'captured' AND known.expires_at < now()
      -- Between a claim and its hold lie milliseconds: the process that made it died there.
      OR held IS NULL AND known.created_at < now() - interval '1 minute' THEN
    UPDATE idempotency
      SET body_digest = digest, hold_id = new_hold, status = NULL, content_type = NULL, answer = NULL,
        created_at = now(), expires_at = expires
      WHERE api_key_id = caller AND key = named;
    outcome := 'claimed';
  ELSIF known.body_digest <> digest THEN
    outcome := 'other_body';
  ELSIF held = 'captured' THEN
    outcome := CASE WHEN known.answer IS NULL THEN 'spent' ELSE 'answered' END;
    earlier_hold := known.hold_id;
    earlier_status := known.status;
    earlier_content_type := known.content_type;
    earlier_answer := known.answer;
  ELSE
    outcome := 'running';
  END IF;
  RETURN NEXT;
END $$;
-- version 1, checksum 2cf0faaa2bfae4a6
