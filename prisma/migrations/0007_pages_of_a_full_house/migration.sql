-- What pages of a full house are read from: lists in their order, and the whole system's usage by hour.

-- All users' usage together. Written by whoever first asks after an hour has ended: at the ledger's own commits it would
-- be one row that all processes wait for.
CREATE TABLE usage_hour (
  hour          timestamptz PRIMARY KEY,
  requests      bigint NOT NULL,
  tokens        bigint NOT NULL,
  cost_nano_usd bigint NOT NULL
);

DROP INDEX user_created_at_idx;
CREATE INDEX user_created_at_idx ON "user" (created_at DESC, id);
CREATE INDEX user_status_idx ON "user" (status, created_at DESC, id);

DROP INDEX audit_log_action_idx;
CREATE INDEX audit_log_action_idx ON audit_log (action, id);
