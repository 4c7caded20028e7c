-- Describes a hold that a process has drawn from a reserve, which it names. Money in nano-USD. A batch of these is
-- written in binary, column by column, by batch-records.ts: other columns are another type, under another name.
CREATE TYPE drawn_hold AS (
  id                 uuid,
  reserve_id         uuid,
  account_id         uuid,
  api_key_id         uuid,
  amount             bigint,
  price_version_id   uuid,
  endpoint           text,
  model              text,
  input_tokens_bound bigint,
  instance_id        uuid,
  instance_epoch     bigint
);
-- version 1, checksum b7448bac79671ea6
