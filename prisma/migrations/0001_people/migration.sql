-- People, keys, settings, upstreams, the audit log, and the accounts that the ledger moves money between.

CREATE TYPE user_role AS ENUM ('owner', 'admin', 'user');
CREATE TYPE user_status AS ENUM ('active', 'suspended');
CREATE TYPE api_key_status AS ENUM ('active', 'disabled', 'deleted');
CREATE TYPE account_kind AS ENUM ('wallet', 'receivable');

CREATE TABLE "user" (
  id            uuid PRIMARY KEY,
  email         text NOT NULL UNIQUE CHECK (email = lower(email)),
  password_hash text NOT NULL,
  role          user_role NOT NULL DEFAULT 'user',
  status        user_status NOT NULL DEFAULT 'active',
  language      text,
  created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX user_created_at_idx ON "user" (created_at);
CREATE UNIQUE INDEX user_one_owner ON "user" (role) WHERE role = 'owner';

CREATE TABLE session (
  id                  text PRIMARY KEY,
  user_id             uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  created_at          timestamptz NOT NULL DEFAULT now(),
  expires_at          timestamptz NOT NULL,
  absolute_expires_at timestamptz NOT NULL,
  user_agent          text NOT NULL DEFAULT '',
  address             text NOT NULL DEFAULT ''
);
CREATE INDEX session_user_id_idx ON session (user_id);

CREATE TABLE api_key (
  id                      uuid PRIMARY KEY,
  user_id                 uuid NOT NULL REFERENCES "user",
  name                    text NOT NULL,
  prefix                  text NOT NULL,
  last_four               text NOT NULL,
  secret_hash             bytea NOT NULL UNIQUE,
  previous_secret_hash    bytea UNIQUE,
  previous_secret_expires timestamptz,
  status                  api_key_status NOT NULL DEFAULT 'active',
  allowed_models          text[] NOT NULL DEFAULT '{}',
  allowed_endpoints       text[] NOT NULL DEFAULT '{}',
  allowed_addresses       text[] NOT NULL DEFAULT '{}',
  requests_per_minute     integer CHECK (requests_per_minute > 0),
  tokens_per_minute       integer CHECK (tokens_per_minute > 0),
  concurrent_requests     integer CHECK (concurrent_requests > 0),
  created_at              timestamptz NOT NULL DEFAULT now(),
  expires_at              timestamptz,
  last_used_at            timestamptz,
  deleted_at              timestamptz
);
CREATE INDEX api_key_user_id_idx ON api_key (user_id);

CREATE TABLE setting (
  key        text PRIMARY KEY,
  value      jsonb NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE upstream (
  id             uuid PRIMARY KEY,
  name           text NOT NULL,
  base_url       text NOT NULL CHECK (right(base_url, 1) <> '/'),
  key_ciphertext bytea NOT NULL,
  key_version    integer NOT NULL DEFAULT 1,
  key_last_four  text NOT NULL,
  organization   text,
  project        text,
  weight         integer NOT NULL DEFAULT 1 CHECK (weight > 0),
  enabled        boolean NOT NULL DEFAULT true,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_log (
  id          bigserial PRIMARY KEY,
  created_at  timestamptz NOT NULL DEFAULT now(),
  actor_id    uuid,
  actor_email text,
  action      text NOT NULL,
  target_kind text NOT NULL,
  target_id   text,
  address     text NOT NULL DEFAULT '',
  details     jsonb NOT NULL DEFAULT '{}',
  hash        bytea NOT NULL
);
CREATE INDEX audit_log_created_at_idx ON audit_log (created_at);
CREATE INDEX audit_log_action_idx ON audit_log (action, created_at);

-- The table that rate-limiter-flexible expects.
CREATE TABLE throttle (
  key    text PRIMARY KEY,
  points integer NOT NULL,
  expire bigint
);

-- A wallet holds what its user has paid in and not yet spent; a receivable what its user owes because an answer cost
-- more than could be taken. Neither can be negative, and no more can be held than is there. Low fill factor and no index
-- on changing columns: updates of this hot row stay on its page.
CREATE TABLE account (
  id               uuid PRIMARY KEY,
  kind             account_kind NOT NULL,
  user_id          uuid NOT NULL REFERENCES "user",
  balance_nano_usd bigint NOT NULL DEFAULT 0,
  held_nano_usd    bigint NOT NULL DEFAULT 0,
  seq              bigint NOT NULL DEFAULT 0,
  head_hash        bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, kind),
  CONSTRAINT account_never_overdrawn
    CHECK (balance_nano_usd >= 0 AND held_nano_usd >= 0 AND balance_nano_usd >= held_nano_usd),
  CONSTRAINT account_receivable_holds_nothing CHECK (kind = 'wallet' OR held_nano_usd = 0)
) WITH (fillfactor = 50);

CREATE TABLE price_version (
  id                uuid PRIMARY KEY,
  model             text NOT NULL,
  prices            jsonb NOT NULL,
  markup_ppm        integer NOT NULL DEFAULT 1000000 CHECK (markup_ppm >= 0),
  context_tokens    integer CHECK (context_tokens > 0),
  max_output_tokens integer CHECK (max_output_tokens > 0),
  source            text NOT NULL,
  valid_from        timestamptz NOT NULL DEFAULT now(),
  retired_at        timestamptz
);
CREATE INDEX price_version_model_idx ON price_version (model, valid_from);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A price is never edited: a request in flight keeps the version that its hold names. It may only be retired.
CREATE FUNCTION refuse_price_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(OLD) - 'retired_at' IS DISTINCT FROM to_jsonb(NEW) - 'retired_at' THEN
    RAISE EXCEPTION 'price_version is immutable' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER price_version_immutable BEFORE UPDATE ON price_version
  FOR EACH ROW EXECUTE FUNCTION refuse_price_change();
CREATE TRIGGER price_version_kept BEFORE DELETE OR TRUNCATE ON price_version
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
