-- Codes that an admin makes and hands out, each worth its batch's amount once. Only their hashes are kept.
CREATE TABLE redeem_batch (
  id              uuid PRIMARY KEY,
  amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd > 0),
  code_count      integer NOT NULL CHECK (code_count > 0),
  note            text NOT NULL DEFAULT '',
  expires_at      timestamptz,
  created_by      uuid NOT NULL REFERENCES "user",
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX redeem_batch_created_at_idx ON redeem_batch (created_at);

CREATE TABLE redeem_code (
  code_hash   bytea PRIMARY KEY, -- HMAC-SHA-256 under the pepper
  batch_id    uuid NOT NULL REFERENCES redeem_batch,
  redeemed_at timestamptz,
  redeemed_by uuid REFERENCES "user",
  CHECK ((redeemed_at IS NULL) = (redeemed_by IS NULL))
);
CREATE INDEX redeem_code_batch_idx ON redeem_code (batch_id);

-- Overviews count what came today; roll-ups are read by hour, whoever's they are.
CREATE INDEX top_up_created_at_idx ON top_up (created_at);
CREATE INDEX adjustment_created_at_idx ON adjustment (created_at) WHERE is_paid AND amount_nano_usd > 0;
CREATE INDEX adjustment_account_idx ON adjustment (account_id, created_at);
CREATE INDEX top_up_account_idx ON top_up (account_id, created_at);
CREATE INDEX api_key_created_at_idx ON api_key (created_at);

-- The lowest id (UUID version 7) of a moment: charges are found by time through the order of their ids.
CREATE FUNCTION lowest_id_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
