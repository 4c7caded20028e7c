-- From where an account was logged in to: `network:` and an IPv4 address or an IPv6 /64, or `browser:` and the hash of the
-- token that a browser keeps. Whoever comes from there is not slowed down by what strangers try at the account.
CREATE TABLE known_client (
  user_id       uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  client        text NOT NULL,
  last_login_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, client)
);

-- Whoever is signed in now from an IPv4 address is known there.
INSERT INTO known_client (user_id, client, last_login_at)
  SELECT user_id, 'network:' || address, max(created_at) FROM session
  WHERE address ~ '^\d{1,3}(\.\d{1,3}){3}$' GROUP BY user_id, address;

-- Counters whose time is over are taken away.
CREATE INDEX throttle_expire_idx ON throttle (expire);

-- Whom an e-mail is for where it is not for whoever runs the gateway.
ALTER TABLE alert_delivery ADD COLUMN recipient text;
