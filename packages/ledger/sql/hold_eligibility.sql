-- Returns in one row whether a key may hold on the wallet of its user, apart from what is in the wallet: `refusal`
-- says why not (null: it may). `needs_slow_path`: it may not, or limits of the user or the key have to be looked at
-- each time. Whoever asks has the wallet locked, which guards the debt. PostgreSQL puts the query in the place of its
-- call.
CREATE OR REPLACE FUNCTION hold_eligibility(owner_id uuid, key_id uuid)
RETURNS TABLE (refusal text, needs_slow_path boolean)
LANGUAGE sql STABLE AS $$
  SELECT e.refusal, e.refusal IS NOT NULL OR e.is_limited
  FROM (
    SELECT CASE
        WHEN u.status IS DISTINCT FROM 'active' THEN 'user_suspended'
        WHEN k.user_id IS DISTINCT FROM owner.id OR k.status <> 'active' THEN 'key_disabled'
        WHEN debt.balance_nano_usd > 0 THEN 'insufficient'
      END AS refusal,
      u.is_limited OR k.is_limited AS is_limited
    FROM (VALUES (owner_id)) AS owner(id)
    LEFT JOIN "user" u ON u.id = owner.id
    LEFT JOIN api_key k ON k.id = key_id -- by that index alone: a user may have many
    LEFT JOIN account debt ON debt.user_id = owner.id AND debt.kind = 'receivable'
  ) e
$$;
-- version 3, checksum a301bbdd8bf3a3fb
