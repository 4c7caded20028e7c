-- Says whether a key may hold on a wallet without being judged each time.
CREATE OR REPLACE FUNCTION may_draw(wallet uuid, api_key uuid)
RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT 1
    FROM account a CROSS JOIN LATERAL hold_eligibility(a.user_id, api_key) e
    WHERE a.id = wallet AND a.kind = 'wallet' AND NOT e.needs_slow_path)
$$;
-- version 2, checksum fd13aba1f8d28b7b
