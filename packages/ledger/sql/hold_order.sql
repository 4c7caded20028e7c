-- Describes a hold that is asked for: `amount` in full or, where `min_amount` is lower, what there is down to it.
-- Money in nano-USD. A batch of these is written in binary, column by column, by batch-records.ts: other columns are
-- another type, under another name.
CREATE TYPE hold_order AS (
  id                 uuid,
  account_id         uuid,
  api_key_id         uuid,
  amount             bigint,
  min_amount         bigint,
  price_version_id   uuid,
  endpoint           text,
  model              text,
  input_tokens_bound bigint
);
-- version 1, checksum 53bd175f443e80a4
