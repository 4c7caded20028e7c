-- Charges that were estimated for a process that was taken for dead, and of which it knows better; and what the ledger could
-- not enter as it was.

ALTER TYPE entry_kind ADD VALUE IF NOT EXISTS 'true_up';

-- What an estimated charge comes to exactly. The charge stays as it was written: its entries and these together are the cost.
CREATE TABLE true_up (
  hold_id               uuid PRIMARY KEY, -- of the charge: it is corrected once
  account_id            uuid NOT NULL,
  created_at            timestamptz NOT NULL DEFAULT now(),
  charged_nano_usd      bigint NOT NULL CHECK (charged_nano_usd >= 0), -- before
  cost_nano_usd         bigint NOT NULL CHECK (cost_nano_usd >= 0),
  usage                 jsonb NOT NULL,
  served_model          text,
  service_tier          text,
  basis                 charge_basis NOT NULL,
  flags                 text[] NOT NULL DEFAULT '{}',
  upstream_id           uuid,
  upstream_request_id   text,
  upstream_response_id  text,
  status                integer NOT NULL,
  is_stream             boolean NOT NULL,
  time_to_first_byte_ms integer,
  latency_ms            integer NOT NULL
);
CREATE INDEX true_up_response_idx ON true_up (upstream_response_id);
CREATE TRIGGER true_up_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON true_up
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Settlements and lines of logs that failed by themselves each time they were tried: kept as they were, without prompts.
CREATE TABLE dead_letter (
  id          uuid PRIMARY KEY, -- of the line's digest
  hold_id     uuid,
  instance_id uuid, -- of the log that the line stood in
  line        bytea NOT NULL,
  reason      text NOT NULL,
  outcome     text NOT NULL CHECK (outcome IN ('exact', 'estimate', 'released', 'open', 'unread')), -- of its hold
  created_at  timestamptz NOT NULL DEFAULT now(),
  told_at     timestamptz -- whoever runs the gateway was told
);
CREATE INDEX dead_letter_hold_idx ON dead_letter (hold_id);
CREATE INDEX dead_letter_untold_idx ON dead_letter (created_at) WHERE told_at IS NULL;
