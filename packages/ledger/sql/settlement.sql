-- Describes what becomes of a hold: a charge, or nothing. Money in nano-USD. A batch of these is written in binary,
-- column by column, by batch-records.ts: other columns are another type, under another name.
CREATE TYPE settlement AS (
  id                    uuid, -- of the hold
  is_captured           boolean,
  cost                  bigint,
  basis                 text,
  flags                 text[],
  usage                 jsonb,
  input_tokens          bigint,
  output_tokens         bigint,
  served_model          text,
  service_tier          text,
  upstream_id           uuid,
  upstream_request_id   text,
  upstream_response_id  text,
  status                int,
  is_stream             boolean,
  time_to_first_byte_ms int,
  latency_ms            int
);
-- version 1, checksum 470b67f957d9adf6
