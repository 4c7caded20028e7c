-- Time-based one-time passwords (RFC 6238). Not confirmed: its owner has not shown yet that their app has it.
CREATE TABLE totp (
  user_id           uuid PRIMARY KEY REFERENCES "user" ON DELETE CASCADE,
  secret_ciphertext bytea NOT NULL,
  last_step         bigint NOT NULL DEFAULT 0,
  confirmed_at      timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now()
);

-- Each is good for one log-in in the place of a one-time password. Only hashes are kept.
CREATE TABLE recovery_code (
  code_hash bytea PRIMARY KEY,
  user_id   uuid NOT NULL REFERENCES "user" ON DELETE CASCADE
);
CREATE INDEX recovery_code_user_id_idx ON recovery_code (user_id);
