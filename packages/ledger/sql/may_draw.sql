-- Says whether a key may hold on a wallet without being judged each time: an active key of the wallet's active user,
-- both without limits, and no debt.
CREATE OR REPLACE FUNCTION may_draw(wallet uuid, api_key uuid)
RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1
    FROM account a JOIN "user" u ON u.id = a.user_id JOIN api_key k ON k.user_id = u.id
    WHERE a.id = wallet AND a.kind = 'wallet' AND k.id = api_key
      AND u.status = 'active' AND NOT u.is_limited AND k.status = 'active' AND NOT k.is_limited
      AND NOT EXISTS (
        SELECT 1 FROM account debt
        WHERE debt.user_id = u.id AND debt.kind = 'receivable' AND debt.balance_nano_usd > 0))
$$;
-- version 1, checksum 23ab3c66f10d5e4f
