-- What whoever runs the gateway is told, once however many processes see it. Never a secret, never a prompt.
CREATE TABLE alert (
  id         uuid PRIMARY KEY,
  kind       text NOT NULL,
  facts      jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alert_created_at_idx ON alert (created_at);

-- Per channel: due until it is delivered or given up. A process that takes one moves due_at on, so that no other takes
-- it too, and another one does where that process dies.
CREATE TABLE alert_delivery (
  alert_id     uuid NOT NULL REFERENCES alert ON DELETE CASCADE,
  channel      text NOT NULL CHECK (channel IN ('webhook', 'email')),
  attempts     integer NOT NULL DEFAULT 0,
  due_at       timestamptz DEFAULT now(),
  delivered_at timestamptz,
  fault        text,
  PRIMARY KEY (alert_id, channel)
);
CREATE INDEX alert_delivery_due_idx ON alert_delivery (due_at) WHERE due_at IS NOT NULL;

-- What was told and is not over: an upstream that is down, books that do not add up.
CREATE TABLE standing_alert (
  kind         text NOT NULL,
  subject      text NOT NULL,
  facts        jsonb NOT NULL,
  since        timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, subject)
);

-- The wallets whose low balance was told, as they were then. A credit after account_seq that lifted the balance over the
-- threshold, or a balance that was above it even then, makes the next low balance news again.
CREATE TABLE low_balance_notice (
  account_id       uuid PRIMARY KEY REFERENCES account,
  account_seq      bigint NOT NULL,
  balance_nano_usd bigint NOT NULL,
  told_at          timestamptz NOT NULL DEFAULT now()
);
