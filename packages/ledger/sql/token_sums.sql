-- Returns how many tokens of a usage went in and came out, whatever class they are counted and priced in. The same
-- rule as in the price book, where a settlement's sums come from: a test compares the two class by class.
CREATE OR REPLACE FUNCTION token_sums(usage jsonb)
RETURNS TABLE (input_tokens bigint, output_tokens bigint)
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(value::bigint) FILTER (WHERE key LIKE '%input' OR key LIKE 'cache\_write%'), 0)::bigint,
    coalesce(sum(value::bigint) FILTER (WHERE key LIKE '%output'), 0)::bigint
  FROM jsonb_each_text(usage)
$$;
-- version 1, checksum bed8681e8e5bd402
