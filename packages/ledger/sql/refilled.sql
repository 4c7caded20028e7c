-- Returns what a minute's bucket, in thousandths, holds after it has refilled since `since`.
CREATE OR REPLACE FUNCTION refilled(milli bigint, since timestamptz, per_minute int)
RETURNS bigint
LANGUAGE sql STABLE AS $$
  SELECT least(
    per_minute * 1000::bigint,
    milli + (extract(epoch FROM clock_timestamp() - since) * per_minute * 1000 / 60)::bigint)
$$;
-- version 1, checksum c7921ff97d8ed132
