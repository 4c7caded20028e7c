-- Tells all processes that something they cache was changed, for the triggers of such tables: the trigger's argument
-- says what to forget ('keys', 'upstreams', 'settings', 'prices').
CREATE OR REPLACE FUNCTION tell_change()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('codex_gateway', TG_ARGV[0]);
  RETURN NULL;
END $$;
-- version 1, checksum 8742aec53f617faf
