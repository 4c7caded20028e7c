-- Shows charges as they are now: what a true-up says comes before what was estimated.
CREATE OR REPLACE VIEW corrected_charge AS
  SELECT c.hold_id, c.account_id, c.api_key_id, c.created_at, c.endpoint, c.model, c.price_version_id,
    CASE WHEN t.hold_id IS NULL THEN c.served_model ELSE t.served_model END AS served_model,
    CASE WHEN t.hold_id IS NULL THEN c.usage ELSE t.usage END AS usage,
    CASE WHEN t.hold_id IS NULL THEN c.service_tier ELSE t.service_tier END AS service_tier,
    CASE WHEN t.hold_id IS NULL THEN c.cost_nano_usd ELSE t.cost_nano_usd END AS cost_nano_usd,
    CASE WHEN t.hold_id IS NULL THEN c.basis ELSE t.basis END AS basis,
    CASE WHEN t.hold_id IS NULL THEN c.flags ELSE t.flags END AS flags,
    CASE WHEN t.hold_id IS NULL THEN c.upstream_id ELSE t.upstream_id END AS upstream_id,
    coalesce(t.upstream_response_id, c.upstream_response_id) AS upstream_response_id,
    CASE WHEN t.hold_id IS NULL THEN c.status ELSE t.status END AS status,
    CASE WHEN t.hold_id IS NULL THEN c.is_stream ELSE t.is_stream END AS is_stream,
    CASE WHEN t.hold_id IS NULL THEN c.latency_ms ELSE t.latency_ms END AS latency_ms
  FROM charge c LEFT JOIN true_up t ON t.hold_id = c.hold_id;
-- version 1, checksum 3ba38916abf860a5
