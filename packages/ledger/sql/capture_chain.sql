-- Chains captures, beginning after the link `head`: over a window, every row gets its own link.
CREATE OR REPLACE AGGREGATE capture_chain(head bytea, ref uuid, amount bigint, balance_after bigint, seq bigint) (
  SFUNC = link_capture,
  STYPE = bytea
);
-- version 1, checksum a0b1f1fe1edbf1ce
