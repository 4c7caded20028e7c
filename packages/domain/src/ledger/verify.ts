/** Proves the books: each invariant is a query that finds every row that breaks it. */
import type { Database } from "@codex-gateway/db";
import { costNanoUsd, type UsageUnits } from "../prices/cost.ts";
import { pricesFromJson, type PricesJson } from "../prices/prices-json.ts";

export type Finding = { invariant: string; says: string; breaches: number };

const invariants: readonly [invariant: string, says: string, sql: string][] = [
  [
    "I1",
    "balance = sum of entries",
    `SELECT count(*) FROM account a WHERE balance_nano_usd <>
       (SELECT coalesce(sum(amount_nano_usd), 0) FROM ledger_entry e WHERE e.account_id = a.id)`,
  ],
  [
    "I2",
    "held = sum of open holds",
    `SELECT count(*) FROM account a
     LEFT JOIN (SELECT account_id, sum(amount_nano_usd) AS amount FROM hold WHERE state = 'open' GROUP BY account_id) h
       ON h.account_id = a.id
     WHERE a.held_nano_usd <> coalesce(h.amount, 0)`,
  ],
  [
    "I3",
    "balance ≥ held ≥ 0",
    "SELECT count(*) FROM account WHERE NOT (balance_nano_usd >= held_nano_usd AND held_nano_usd >= 0)",
  ],
  ["I4", "at most one charge per hold", "SELECT count(*) - count(DISTINCT hold_id) FROM charge"],
  [
    "I5",
    "captured ⇔ charged",
    `SELECT count(*) FROM hold h FULL JOIN charge c ON c.hold_id = h.id
     WHERE (h.state = 'captured') IS DISTINCT FROM (c.hold_id IS NOT NULL)`,
  ],
  [
    "I6",
    "sequence and hash chain of each account unbroken",
    `WITH chain AS (
       SELECT e.*, row_number() OVER w AS nth,
         coalesce(lag(hash) OVER w, decode(repeat('00', 32), 'hex')) AS previous,
         coalesce(lag(balance_after_nano_usd) OVER w, 0) + amount_nano_usd AS expected_balance
       FROM ledger_entry e WINDOW w AS (PARTITION BY account_id ORDER BY account_seq))
     SELECT (SELECT count(*) FROM chain WHERE account_seq <> nth OR balance_after_nano_usd <> expected_balance OR hash <>
         entry_hash(previous, kind, ref, amount_nano_usd, balance_after_nano_usd, account_seq))
       + (SELECT count(*) FROM account a WHERE (a.seq, a.head_hash) IS DISTINCT FROM
           (SELECT (coalesce(max(account_seq), 0),
              coalesce((array_agg(hash ORDER BY account_seq DESC))[1], decode(repeat('00', 32), 'hex')))
            FROM ledger_entry e WHERE e.account_id = a.id)) AS count`,
  ],
  [
    "I7",
    "money in − money out = money there",
    `SELECT CASE WHEN
       (SELECT coalesce(sum(amount_nano_usd), 0) FROM top_up) + (SELECT coalesce(sum(amount_nano_usd), 0) FROM adjustment)
         - (SELECT coalesce(sum(cost_nano_usd), 0) FROM charge)
       = (SELECT coalesce(sum(CASE kind WHEN 'wallet' THEN balance_nano_usd ELSE -balance_nano_usd END), 0) FROM account)
     THEN 0 ELSE 1 END AS count`,
  ],
  [
    "I8",
    "no open hold of an instance dead for over 35 s",
    `SELECT count(*) FROM hold h LEFT JOIN instance i ON i.id = h.instance_id
     WHERE h.state = 'open' AND h.created_at < now() - interval '35 seconds'
       AND (i.id IS NULL OR i.epoch > h.instance_epoch OR i.lease_until < now() - interval '35 seconds')`,
  ],
];

/** Rows of the hot tables that name what is not there; they have no foreign keys, for their cost. */
const references = `SELECT
  (SELECT count(*) FROM hold h LEFT JOIN account a ON a.id = h.account_id LEFT JOIN api_key k ON k.id = h.api_key_id
     LEFT JOIN price_version p ON p.id = h.price_version_id WHERE a.id IS NULL OR k.id IS NULL OR p.id IS NULL)
  + (SELECT count(*) FROM charge c LEFT JOIN hold h ON h.id = c.hold_id AND h.account_id = c.account_id WHERE h.id IS NULL)
  + (SELECT count(*) FROM ledger_entry e LEFT JOIN account a ON a.id = e.account_id WHERE a.id IS NULL)
  + (SELECT count(*) FROM usage_rollup r LEFT JOIN account a ON a.id = r.account_id WHERE a.id IS NULL) AS count`;

/** Runs I1 to I9 and the references in one snapshot. A figure above zero is a breach. */
export async function verifyLedger(db: Pick<Database, "pool">): Promise<Finding[]> {
  const client = await db.pool.connect();
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const findings: Finding[] = [];
    for (const [invariant, says, sql] of [
      ...invariants,
      ["REF", "every reference leads somewhere", references] as const,
    ]) {
      const { rows } = await client.query<{ count?: bigint; "?column?"?: bigint }>(sql);
      findings.push({ invariant, says, breaches: Number(rows[0]?.count ?? rows[0]?.["?column?"] ?? 0n) });
    }
    findings.push({ invariant: "I9", says: "cost = usage × price version", breaches: await countWrongCosts(client) });
    await client.query("COMMIT");
    return findings;
  } finally {
    client.release();
  }
}

type ChargeRow = {
  hold_id: string;
  usage: UsageUnits;
  service_tier: string | null;
  cost_nano_usd: bigint;
  price_version_id: string;
};

async function countWrongCosts(client: { query: Database["pool"]["query"] }): Promise<number> {
  const versions = await client.query<{ id: string; prices: PricesJson; markup_ppm: number }>(
    "SELECT id, prices, markup_ppm FROM price_version",
  );
  const books = new Map(versions.rows.map((row) => [row.id, pricesFromJson(row.prices, row.markup_ppm)]));
  let wrong = 0;
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const { rows } = await client.query<ChargeRow>(
      `SELECT hold_id, usage, service_tier, cost_nano_usd, price_version_id FROM charge
       WHERE hold_id > $1 ORDER BY hold_id LIMIT 10000`,
      [after],
    );
    for (const row of rows) {
      const book = books.get(row.price_version_id);
      if (!book || costNanoUsd(book, row.usage, row.service_tier) !== row.cost_nano_usd) wrong++;
    }
    const last = rows.at(-1);
    if (!last) return wrong;
    after = last.hold_id;
  }
}
