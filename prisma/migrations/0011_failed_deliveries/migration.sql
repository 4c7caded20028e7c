-- When a delivery last failed, and why, stays known after a later try went well: the settings page tells it per channel.
ALTER TABLE alert_delivery ADD COLUMN failed_at timestamptz;
