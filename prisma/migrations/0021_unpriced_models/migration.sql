-- Models that somebody asked for and that have no price: told to the owner, who prices them with one click.
CREATE TABLE unpriced_model (
  model         text PRIMARY KEY,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at  timestamptz NOT NULL DEFAULT now(),
  requests      bigint NOT NULL CHECK (requests > 0),
  alerted_at    timestamptz
);
