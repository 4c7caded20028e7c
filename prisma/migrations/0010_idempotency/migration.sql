-- Calls that their clients named with an Idempotency-Key, and attempts that no charge tells of.

-- Whether such a call is under way, over or was given up is the state of its hold. The answer is written before its
-- charge, so that no charged answer is lost with the process; it is handed out once the charge stands.
CREATE TABLE idempotency (
  api_key_id   uuid NOT NULL,
  key          text NOT NULL,
  body_digest  bytea NOT NULL, -- SHA-256 of the endpoint and the body
  hold_id      uuid NOT NULL,
  status       integer, -- of the answer; null: none is kept
  content_type text,
  answer       bytea,
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL,
  PRIMARY KEY (api_key_id, key)
);
CREATE INDEX idempotency_expires_idx ON idempotency (expires_at);

-- Takes the key for a new call, or says what became of the call that had it: `running`, `answered`, `spent` (charged,
-- and its answer is not kept) or `other_body`. A key is free again when its call was released, never held, or expired.
CREATE FUNCTION claim_idempotency(caller uuid, named text, digest bytea, new_hold uuid, expires timestamptz)
RETURNS TABLE (outcome text, earlier_hold uuid, earlier_status int, earlier_content_type text, earlier_answer bytea)
LANGUAGE plpgsql AS $$
DECLARE
  known idempotency%ROWTYPE;
  held hold_state;
BEGIN
  INSERT INTO idempotency (api_key_id, key, body_digest, hold_id, expires_at)
    VALUES (caller, named, digest, new_hold, expires) ON CONFLICT (api_key_id, key) DO NOTHING;
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
    UPDATE idempotency SET body_digest = digest, hold_id = new_hold, status = NULL, content_type = NULL, answer = NULL,
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

-- What was asked of an upstream and is in no charge: failed attempts, and answers that reached nobody. What was charged
-- for stands with its upstream in the charge. May lose its last second with the process.
CREATE TABLE attempt (
  hold_id      uuid NOT NULL,
  n            integer NOT NULL CHECK (n > 0),
  upstream_id  uuid NOT NULL,
  outcome      text NOT NULL, -- answered, or why there was no answer
  status       integer,
  maybe_billed boolean NOT NULL, -- whether the provider may have billed the operator for it
  started_at   timestamptz NOT NULL,
  ended_at     timestamptz NOT NULL,
  PRIMARY KEY (hold_id, n)
);

-- A batch that waits for a wallet is given up and sent again, instead of standing before all that come after it.
ALTER FUNCTION ledger_batch SET lock_timeout = '2s';
