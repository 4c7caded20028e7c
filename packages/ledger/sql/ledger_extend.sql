-- Extends open holds up to `amounts`, each as far as the free balance and the key's budgets go; sent twice, it asks for
-- what is missing then. `tokens`: what each can use at most from then on, for limits of tokens; a stream that runs takes
-- them in any case. Returns of each what is held for it then, and why that is not all (`outcome` other than 'held'):
-- 'settled' where nothing is open. Orders of one wallet are looked at in the order of arrival; no id may stand twice.
CREATE OR REPLACE FUNCTION ledger_extend(ids uuid[], amounts bigint[], tokens bigint[], wallets uuid[])
RETURNS jsonb
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  item record;
  more bigint;
  more_tokens bigint;
  left_of_budget bigint;
  budget text;
  outcome text;
  outcomes jsonb := '[]';
BEGIN
  PERFORM 1 FROM account WHERE account.id = ANY (wallets) ORDER BY account.id FOR NO KEY UPDATE;
  FOR item IN
    SELECT i.id, i.amount, i.most_tokens, h.account_id, h.api_key_id, h.amount_nano_usd AS held, h.is_limited,
        h.taken_tokens, e.refusal, k.daily_budget_nano_usd AS daily, k.monthly_budget_nano_usd AS monthly
      FROM unnest(ids, amounts, tokens) WITH ORDINALITY AS i(id, amount, most_tokens, ord)
      LEFT JOIN hold h ON h.id = i.id AND h.state = 'open' AND h.account_id = ANY (wallets)
      LEFT JOIN account a ON a.id = h.account_id
      LEFT JOIN api_key k ON k.id = h.api_key_id
      LEFT JOIN LATERAL hold_eligibility(a.user_id, h.api_key_id) e ON a.id IS NOT NULL
      ORDER BY i.ord
  LOOP
    outcome := 'held';
    more := greatest(item.amount - item.held, 0);
    IF item.account_id IS NULL THEN
      outcome := 'settled';
    ELSIF item.refusal IS NOT NULL THEN
      outcome := item.refusal;
    ELSIF more > 0 THEN
      SELECT least(more, a.balance_nano_usd - a.held_nano_usd) INTO more FROM account a WHERE a.id = item.account_id;
      IF more < item.amount - item.held THEN outcome := 'insufficient'; END IF;
      IF item.daily IS NOT NULL OR item.monthly IS NOT NULL THEN
        SELECT b.budget, b.left_nano_usd INTO budget, left_of_budget
          FROM key_budget_left(item.account_id, item.api_key_id, item.daily, item.monthly) b;
        IF left_of_budget < more THEN
          outcome := budget;
          more := left_of_budget;
        END IF;
      END IF;
      more := greatest(more, 0);
      IF more > 0 THEN
        more_tokens := CASE WHEN item.is_limited THEN greatest(item.most_tokens - item.taken_tokens, 0) ELSE 0 END;
        UPDATE hold h SET amount_nano_usd = h.amount_nano_usd + more, taken_tokens = h.taken_tokens + more_tokens
          WHERE h.id = item.id;
        UPDATE account a SET held_nano_usd = a.held_nano_usd + more WHERE a.id = item.account_id;
        IF item.is_limited THEN
          UPDATE allowance w
            SET held_nano_usd = w.held_nano_usd + more, milli_tokens = w.milli_tokens - 1000 * more_tokens
            WHERE w.subject_id IN (item.api_key_id, item.account_id);
        END IF;
        item.held := item.held + more;
      END IF;
    END IF;
    outcomes := outcomes || jsonb_build_object(
      'id', item.id, 'outcome', outcome, 'amount', coalesce(item.held, 0)::text);
  END LOOP;
  RETURN outcomes;
END $$;
-- version 1, checksum aad3351ba807445e
