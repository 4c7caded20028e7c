-- Reads all of administration and changes nothing.
ALTER TYPE user_role ADD VALUE 'viewer';

-- A user without a password has not chosen one yet, by the link that they were given.
ALTER TABLE "user" ALTER COLUMN password_hash DROP NOT NULL;
-- What is personal is gone since then; the rows that the books need stay, under a pseudonym.
ALTER TABLE "user" ADD COLUMN deleted_at timestamptz;

-- Invitations: a link that makes so many users, each with this role and balance. Only the hash of its token is kept.
CREATE TABLE invite (
  id              uuid PRIMARY KEY,
  token_hash      bytea NOT NULL UNIQUE,
  role            user_role NOT NULL CHECK (role <> 'owner'),
  credit_nano_usd bigint NOT NULL CHECK (credit_nano_usd >= 0),
  email           text,
  note            text NOT NULL DEFAULT '',
  max_uses        integer NOT NULL CHECK (max_uses > 0),
  uses            integer NOT NULL DEFAULT 0 CHECK (uses BETWEEN 0 AND max_uses),
  expires_at      timestamptz,
  revoked_at      timestamptz,
  created_by      uuid NOT NULL REFERENCES "user",
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX invite_created_at_idx ON invite (created_at DESC, id);

CREATE TABLE invite_use (
  invite_id uuid NOT NULL REFERENCES invite,
  user_id   uuid PRIMARY KEY REFERENCES "user",
  used_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX invite_use_invite_id_idx ON invite_use (invite_id);

-- Links by which a user chooses a password: asked for by mail, or made by an admin. Each is used once.
CREATE TABLE password_reset (
  token_hash bytea PRIMARY KEY,
  user_id    uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX password_reset_user_id_idx ON password_reset (user_id);

-- The owner's offer to somebody to become the owner in their place; there is one at most.
CREATE TABLE ownership_offer (
  is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  user_id    uuid NOT NULL UNIQUE REFERENCES "user" ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);

-- The first characters of keys are searched for.
CREATE INDEX api_key_prefix_idx ON api_key (prefix text_pattern_ops);
