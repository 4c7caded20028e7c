-- Returns which of a key's budgets has the least left, and how much: what is neither spent nor held, which may be less
-- than nothing. Of no budgets it returns nulls. Whoever asks has the key's wallet locked, which guards both.
CREATE OR REPLACE FUNCTION key_budget_left(wallet uuid, api_key uuid, daily bigint, monthly bigint)
RETURNS TABLE (budget text, left_nano_usd bigint)
LANGUAGE sql STABLE AS $$
  SELECT CASE
      WHEN b.left_today IS NULL AND b.left_this_month IS NULL THEN NULL
      WHEN b.left_today <= b.left_this_month OR b.left_this_month IS NULL THEN 'daily_budget'
      ELSE 'monthly_budget'
    END, least(b.left_today, b.left_this_month)::bigint
  FROM (
    SELECT daily - coalesce(sum(r.cost_nano_usd) FILTER (WHERE r.hour >= date_trunc('day', now(), 'UTC')), 0)
        - open.held AS left_today,
      monthly - coalesce(sum(r.cost_nano_usd), 0) - open.held AS left_this_month
    FROM (SELECT coalesce((SELECT w.held_nano_usd FROM allowance w WHERE w.subject_id = api_key), 0) AS held) open
    LEFT JOIN usage_rollup r ON r.account_id = wallet AND r.api_key_id = api_key
      AND r.hour >= date_trunc('month', now(), 'UTC')
    GROUP BY open.held
  ) b
$$;
-- version 1, checksum a1a8e0e56eef386d
