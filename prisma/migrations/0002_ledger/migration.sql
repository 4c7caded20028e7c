-- The ledger: hold → capture → release, in batches. One call of hold_batch or settle_batch is one round trip and one
-- commit for everything that arrived while the one before it was under way.

CREATE TYPE hold_state AS ENUM ('open', 'captured', 'released');
CREATE TYPE charge_basis AS ENUM ('exact', 'observed', 'estimate', 'orphan');
CREATE TYPE entry_kind AS ENUM ('capture', 'debt', 'top_up', 'adjustment');

-- A process that owns open holds; dead once its lease has run out. Its epoch rises at every boot.
CREATE TABLE instance (
  id          uuid PRIMARY KEY,
  epoch       bigint NOT NULL,
  lease_until timestamptz NOT NULL
);

CREATE TABLE hold (
  id                     uuid PRIMARY KEY, -- the request's id, uuid v7
  account_id             uuid NOT NULL REFERENCES account,
  api_key_id             uuid NOT NULL REFERENCES api_key,
  amount_nano_usd        bigint NOT NULL CHECK (amount_nano_usd >= 0),
  price_version_id       uuid NOT NULL REFERENCES price_version,
  endpoint               text NOT NULL,
  model                  text NOT NULL,
  input_tokens_bound     bigint NOT NULL,
  instance_id            uuid NOT NULL,
  instance_epoch         bigint NOT NULL,
  state                  hold_state NOT NULL DEFAULT 'open',
  created_at             timestamptz NOT NULL DEFAULT now(),
  dispatched_at          timestamptz,
  first_byte_at          timestamptz,
  upstream_response_id   text,
  observed_output_tokens bigint NOT NULL DEFAULT 0,
  settled_at             timestamptz
) WITH (fillfactor = 80);
CREATE INDEX hold_open_idx ON hold (instance_id) WHERE state = 'open';

CREATE TABLE charge (
  hold_id               uuid PRIMARY KEY REFERENCES hold,
  account_id            uuid NOT NULL REFERENCES account,
  api_key_id            uuid NOT NULL,
  created_at            timestamptz NOT NULL DEFAULT now(),
  endpoint              text NOT NULL,
  model                 text NOT NULL,
  served_model          text,
  usage                 jsonb NOT NULL, -- units by price class
  price_version_id      uuid NOT NULL REFERENCES price_version,
  service_tier          text,
  cost_nano_usd         bigint NOT NULL CHECK (cost_nano_usd >= 0),
  basis                 charge_basis NOT NULL,
  flags                 text[] NOT NULL DEFAULT '{}',
  upstream_id           uuid,
  upstream_request_id   text,
  upstream_response_id  text,
  status                integer NOT NULL,
  is_stream             boolean NOT NULL,
  time_to_first_byte_ms integer,
  latency_ms            integer NOT NULL
);
CREATE INDEX charge_account_idx ON charge (account_id, hold_id DESC);

-- Every change of a balance; chained by hash, per account.
CREATE TABLE ledger_entry (
  account_id             uuid NOT NULL REFERENCES account,
  account_seq            bigint NOT NULL,
  kind                   entry_kind NOT NULL,
  ref                    uuid NOT NULL, -- of the hold, top-up or adjustment
  amount_nano_usd        bigint NOT NULL,
  balance_after_nano_usd bigint NOT NULL,
  hash                   bytea NOT NULL,
  created_at             timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, account_seq),
  UNIQUE (kind, ref, account_id)
);

CREATE TABLE usage_rollup (
  account_id    uuid NOT NULL REFERENCES account,
  api_key_id    uuid NOT NULL,
  model         text NOT NULL,
  hour          timestamptz NOT NULL,
  requests      bigint NOT NULL,
  input_tokens  bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cost_nano_usd bigint NOT NULL,
  PRIMARY KEY (account_id, hour, api_key_id, model)
);
CREATE INDEX usage_rollup_hour_idx ON usage_rollup (hour);

CREATE TABLE top_up (
  id              uuid PRIMARY KEY,
  account_id      uuid NOT NULL REFERENCES account,
  source          text NOT NULL,
  source_id       text NOT NULL,
  amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd > 0),
  created_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source, source_id)
);

CREATE TABLE adjustment (
  id              uuid PRIMARY KEY,
  account_id      uuid NOT NULL REFERENCES account,
  source          text NOT NULL,
  source_id       text NOT NULL,
  amount_nano_usd bigint NOT NULL CHECK (amount_nano_usd <> 0),
  is_paid         boolean NOT NULL,
  note            text NOT NULL DEFAULT '',
  actor_id        uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source, source_id)
);

CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER charge_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON charge
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The link of an entry in its account's chain: SHA-256 of the link before it and of what the entry says.
CREATE FUNCTION entry_hash(previous bytea, kind entry_kind, ref uuid, amount bigint, balance_after bigint, seq bigint)
RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
  sha256(previous || convert_to(kind::text || '|' || ref::text || '|' || amount || '|' || balance_after || '|' || seq, 'UTF8'));

-- Places holds, in the order of `items`. Per item: `amount` in full or, where `min_amount` is lower, what the free
-- balance still gives down to it. A hold that is there already is answered as it stands, so a batch may run twice.
CREATE FUNCTION hold_batch(items jsonb) RETURNS TABLE (hold_id uuid, outcome text, granted_nano_usd bigint)
LANGUAGE plpgsql AS $$
DECLARE
  item record;
  current_account uuid;
  free bigint;
  grant_nano bigint;
  held_ids uuid[] := '{}';
  held_amounts bigint[] := '{}';
BEGIN
  PERFORM 1 FROM account
    WHERE account.id IN (SELECT (i->>'account_id')::uuid FROM jsonb_array_elements(items) i)
    ORDER BY account.id FOR UPDATE;

  FOR item IN
    SELECT i.id, i.account_id, i.amount, coalesce(i.min_amount, i.amount) AS min_amount,
           a.balance_nano_usd - a.held_nano_usd AS free_before,
           earlier.id IS NOT NULL AS is_known, earlier.amount_nano_usd AS known_amount, earlier.state AS known_state,
           u.status AS user_status, k.status AS key_status,
           EXISTS (SELECT 1 FROM account debt WHERE debt.user_id = a.user_id AND debt.kind = 'receivable'
                   AND debt.balance_nano_usd > 0) AS has_debt
    FROM jsonb_to_recordset(items) AS i(id uuid, ord int, account_id uuid, api_key_id uuid, amount bigint, min_amount bigint)
    LEFT JOIN account a ON a.id = i.account_id AND a.kind = 'wallet'
    LEFT JOIN "user" u ON u.id = a.user_id
    LEFT JOIN api_key k ON k.id = i.api_key_id AND k.user_id = a.user_id
    LEFT JOIN hold earlier ON earlier.id = i.id
    ORDER BY i.account_id, i.ord
  LOOP
    hold_id := item.id;
    granted_nano_usd := 0;
    IF item.account_id IS DISTINCT FROM current_account THEN
      current_account := item.account_id;
      free := item.free_before;
    END IF;
    IF item.is_known THEN
      outcome := CASE WHEN item.known_state = 'open' THEN 'held' ELSE 'settled' END;
      granted_nano_usd := item.known_amount;
    ELSIF item.user_status IS DISTINCT FROM 'active' THEN
      outcome := 'user_suspended';
    ELSIF item.key_status IS DISTINCT FROM 'active' THEN
      outcome := 'key_disabled';
    ELSIF item.has_debt OR free < item.min_amount OR free <= 0 AND item.amount > 0 THEN
      outcome := 'insufficient';
    ELSE
      grant_nano := least(item.amount, free);
      free := free - grant_nano;
      outcome := 'held';
      granted_nano_usd := grant_nano;
      held_ids := array_append(held_ids, item.id);
      held_amounts := array_append(held_amounts, grant_nano);
    END IF;
    RETURN NEXT;
  END LOOP;

  INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model, input_tokens_bound,
                    instance_id, instance_epoch, dispatched_at)
    SELECT i.id, i.account_id, i.api_key_id, granted.amount, i.price_version_id, i.endpoint, i.model,
           i.input_tokens_bound, i.instance_id, i.instance_epoch, now()
    FROM jsonb_to_recordset(items) AS i(id uuid, account_id uuid, api_key_id uuid, price_version_id uuid, endpoint text,
           model text, input_tokens_bound bigint, instance_id uuid, instance_epoch bigint)
    JOIN unnest(held_ids, held_amounts) AS granted(id, amount) USING (id);
  UPDATE account SET held_nano_usd = held_nano_usd + taken.amount
    FROM (SELECT h.account_id, sum(h.amount_nano_usd)::bigint AS amount FROM hold h
          WHERE h.id = ANY (held_ids) GROUP BY h.account_id) taken
    WHERE account.id = taken.account_id;
END $$;

-- What a user owes beyond the wallet. Called with the wallet's row locked, which guards this one too.
CREATE FUNCTION add_debt(wallet uuid, ref uuid, amount bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  debt account%ROWTYPE;
BEGIN
  INSERT INTO account (id, kind, user_id) SELECT gen_random_uuid(), 'receivable', user_id FROM account WHERE id = wallet
    ON CONFLICT (user_id, kind) DO NOTHING;
  SELECT r.* INTO debt FROM account r JOIN account w ON w.user_id = r.user_id AND w.id = wallet
    WHERE r.kind = 'receivable' FOR UPDATE OF r;
  UPDATE account SET balance_nano_usd = debt.balance_nano_usd + amount, seq = debt.seq + 1,
      head_hash = entry_hash(debt.head_hash, 'debt', ref, amount, debt.balance_nano_usd + amount, debt.seq + 1)
    WHERE id = debt.id;
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT id, seq, 'debt', add_debt.ref, add_debt.amount, balance_nano_usd, head_hash FROM account WHERE id = debt.id;
END $$;

-- Captures and releases. Acts on open holds only, so a batch may run twice; answers what each hold came to.
CREATE FUNCTION settle_batch(items jsonb) RETURNS TABLE (hold_id uuid, did_settle boolean, paid_nano_usd bigint)
LANGUAGE plpgsql AS $$
DECLARE
  item record;
  current_account uuid;
  balance bigint;
  held bigint;
  seq bigint;
  head bytea;
  pay bigint;
  touched uuid[] := '{}';
  balances bigint[] := '{}';
  helds bigint[] := '{}';
  seqs bigint[] := '{}';
  heads bytea[] := '{}';
  at int := 0;
  entry_accounts uuid[] := '{}';
  entry_seqs bigint[] := '{}';
  entry_refs uuid[] := '{}';
  entry_amounts bigint[] := '{}';
  entry_balances bigint[] := '{}';
  entry_hashes bytea[] := '{}';
  settled uuid[] := '{}';
BEGIN
  PERFORM 1 FROM account
    WHERE account.id IN (SELECT h.account_id FROM jsonb_array_elements(items) i JOIN hold h ON h.id = (i->>'id')::uuid)
    ORDER BY account.id FOR UPDATE;

  FOR item IN
    SELECT i.id, i.is_captured, i.cost, h.account_id, h.amount_nano_usd AS amount,
           a.balance_nano_usd, a.held_nano_usd, a.seq, a.head_hash
    FROM jsonb_to_recordset(items) AS i(id uuid, ord int, is_captured boolean, cost bigint)
    JOIN hold h ON h.id = i.id AND h.state = 'open'
    JOIN account a ON a.id = h.account_id
    ORDER BY h.account_id, i.ord
  LOOP
    IF item.id = ANY (settled) THEN CONTINUE; END IF;
    IF item.account_id IS DISTINCT FROM current_account THEN
      current_account := item.account_id;
      balance := item.balance_nano_usd;
      held := item.held_nano_usd;
      seq := item.seq;
      head := item.head_hash;
      at := at + 1;
      touched[at] := current_account;
    END IF;
    held := held - item.amount;
    pay := 0;
    IF item.is_captured THEN
      pay := least(item.cost, balance - held);
      IF pay > 0 THEN
        balance := balance - pay;
        seq := seq + 1;
        head := entry_hash(head, 'capture', item.id, -pay, balance, seq);
        entry_accounts := array_append(entry_accounts, current_account);
        entry_seqs := array_append(entry_seqs, seq);
        entry_refs := array_append(entry_refs, item.id);
        entry_amounts := array_append(entry_amounts, -pay);
        entry_balances := array_append(entry_balances, balance);
        entry_hashes := array_append(entry_hashes, head);
      END IF;
      IF item.cost > pay THEN PERFORM add_debt(current_account, item.id, item.cost - pay); END IF;
    END IF;
    balances[at] := balance;
    helds[at] := held;
    seqs[at] := seq;
    heads[at] := head;
    settled := array_append(settled, item.id);
    hold_id := item.id;
    did_settle := true;
    paid_nano_usd := pay;
    RETURN NEXT;
  END LOOP;

  UPDATE account SET balance_nano_usd = t.balance, held_nano_usd = t.held, seq = t.seq, head_hash = t.head
    FROM unnest(touched, balances, helds, seqs, heads) AS t(id, balance, held, seq, head) WHERE account.id = t.id;
  INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
    SELECT e.account_id, e.seq, 'capture', e.ref, e.amount, e.balance, e.hash
    FROM unnest(entry_accounts, entry_seqs, entry_refs, entry_amounts, entry_balances, entry_hashes)
      AS e(account_id, seq, ref, amount, balance, hash);
  INSERT INTO charge (hold_id, account_id, api_key_id, endpoint, model, served_model, usage, price_version_id,
                      service_tier, cost_nano_usd, basis, flags, upstream_id, upstream_request_id, upstream_response_id,
                      status, is_stream, time_to_first_byte_ms, latency_ms)
    SELECT h.id, h.account_id, h.api_key_id, h.endpoint, h.model, i.served_model, i.usage, h.price_version_id,
           i.service_tier, i.cost, i.basis, i.flags, i.upstream_id, i.upstream_request_id, i.upstream_response_id,
           i.status, i.is_stream, i.time_to_first_byte_ms, i.latency_ms
    FROM (SELECT DISTINCT ON (r.id) r.* FROM jsonb_to_recordset(items) AS r(id uuid, ord int, is_captured boolean,
           cost bigint, basis charge_basis, flags text[], usage jsonb, served_model text, service_tier text,
           upstream_id uuid, upstream_request_id text, upstream_response_id text, status int, is_stream boolean,
           time_to_first_byte_ms int, latency_ms int) ORDER BY r.id, r.ord) i
    JOIN hold h ON h.id = i.id
    WHERE i.is_captured AND i.id = ANY (settled);
  INSERT INTO usage_rollup AS roll (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
    SELECT c.account_id, c.api_key_id, c.model, date_trunc('hour', c.created_at), count(*),
           sum(coalesce((c.usage->>'input')::bigint, 0) + coalesce((c.usage->>'cached_input')::bigint, 0)
             + coalesce((c.usage->>'cache_write')::bigint, 0)),
           sum(coalesce((c.usage->>'output')::bigint, 0)), sum(c.cost_nano_usd)
    FROM charge c WHERE c.hold_id = ANY (settled)
    GROUP BY c.account_id, c.api_key_id, c.model, date_trunc('hour', c.created_at)
    ORDER BY 1, 4, 2, 3
    ON CONFLICT (account_id, hour, api_key_id, model) DO UPDATE SET
      requests = roll.requests + excluded.requests,
      input_tokens = roll.input_tokens + excluded.input_tokens,
      output_tokens = roll.output_tokens + excluded.output_tokens,
      cost_nano_usd = roll.cost_nano_usd + excluded.cost_nano_usd;
  UPDATE hold SET settled_at = now(), state = CASE WHEN i.is_captured THEN 'captured' ELSE 'released' END::hold_state
    FROM jsonb_to_recordset(items) AS i(id uuid, is_captured boolean)
    WHERE hold.id = i.id AND hold.id = ANY (settled);
END $$;

-- Adds `amount` to a wallet (below zero: takes it), paying an open debt first. False where free money does not cover it.
CREATE FUNCTION credit(wallet uuid, entry entry_kind, ref uuid, amount bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  row account%ROWTYPE;
  debt account%ROWTYPE;
  repaid bigint;
BEGIN
  SELECT * INTO row FROM account WHERE id = wallet AND kind = 'wallet' FOR UPDATE;
  IF NOT FOUND OR row.balance_nano_usd + amount < row.held_nano_usd THEN RETURN false; END IF;
  SELECT * INTO debt FROM account WHERE user_id = row.user_id AND kind = 'receivable' FOR UPDATE;
  repaid := CASE WHEN amount > 0 THEN least(amount, coalesce(debt.balance_nano_usd, 0)) ELSE 0 END;
  IF repaid > 0 THEN
    UPDATE account SET balance_nano_usd = debt.balance_nano_usd - repaid, seq = debt.seq + 1,
        head_hash = entry_hash(debt.head_hash, entry, ref, -repaid, debt.balance_nano_usd - repaid, debt.seq + 1)
      WHERE id = debt.id;
    INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
      SELECT id, seq, entry, credit.ref, -repaid, balance_nano_usd, head_hash FROM account WHERE id = debt.id;
  END IF;
  IF amount - repaid <> 0 THEN
    UPDATE account SET balance_nano_usd = row.balance_nano_usd + amount - repaid, seq = row.seq + 1,
        head_hash = entry_hash(row.head_hash, entry, ref, amount - repaid, row.balance_nano_usd + amount - repaid, row.seq + 1)
      WHERE id = wallet;
    INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash)
      SELECT id, seq, entry, credit.ref, amount - repaid, balance_nano_usd, head_hash FROM account WHERE id = wallet;
  END IF;
  RETURN true;
END $$;
