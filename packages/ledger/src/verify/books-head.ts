/**
 * The head of the books at a moment that is over: one digest of where every account's chain, the audit log and the price
 * book stood. Kept outside the database it says what nothing inside can: that an end was cut off and mended.
 *
 * A head counts what was written before its moment, which lies a while back: nothing comes in there any more, so that it
 * can be made again at any time later.
 */
import { createHash } from "node:crypto";
import type { Queryable } from "@codex-gateway/db";

export type BooksHead = {
  /** Excluded; ISO 8601. */
  before: string;
  /** Those with entries. */
  accounts: number;
  /** What wallets have, less what is owed. */
  balanceNanoUsd: string;
  /** SHA-256, hex, of each account's id, sequence and link, by id. */
  chains: string;
  /** The newest line of the audit log; null: there is none. */
  audit: { id: string; hash: string } | null;
  priceVersions: number;
  /** SHA-256, hex, of the price versions by id. */
  prices: string;
};

/** No transaction is open for so long, and no clock is set back by more without being noticed. */
const settledAfterMs = 15 * 60_000;
const accountsPerChunk = 5_000;

/** Reads the head of what is settled. */
export async function takeHead(
  { pool }: { pool: Queryable },
  { settledMs = settledAfterMs }: { settledMs?: number } = {},
): Promise<BooksHead> {
  const { rows } = await pool.query<{ before: Date }>("SELECT now() - $1 * interval '1 ms' AS before", [settledMs]);
  return readHead(pool, (rows[0]?.before ?? new Date(0)).toISOString());
}

/** Reads the head as it was at that moment; `rest` is called between chunks with the time that the last one took. */
export async function readHead(
  client: Queryable,
  before: string,
  rest?: (tookMs: number) => Promise<void>,
): Promise<BooksHead> {
  const chains = createHash("sha256");
  let [accounts, balanceNanoUsd, after] = [0, 0n, "00000000-0000-0000-0000-000000000000"];
  for (;;) {
    type Row = { looked: bigint; last: string; accounts: bigint; balance: string; links: Buffer };
    const startedAtMs = performance.now();
    const { rows } = await client.query<Row>(accountsSql, [after, before, accountsPerChunk]);
    const [row] = rows;
    if (!row || row.looked === 0n) break;
    chains.update(row.links);
    accounts += Number(row.accounts);
    balanceNanoUsd += BigInt(row.balance);
    after = row.last;
    await rest?.(performance.now() - startedAtMs);
  }
  const audit = await client.query<{ id: bigint; hash: string }>(auditSql, [before]);
  const prices = await client.query<{ count: bigint; digest: string }>(pricesSql, [before]);
  return {
    before,
    accounts,
    balanceNanoUsd: String(balanceNanoUsd),
    chains: chains.digest("hex"),
    audit: audit.rows[0] ? { id: String(audit.rows[0].id), hash: audit.rows[0].hash } : null,
    priceVersions: Number(prices.rows[0]?.count ?? 0n),
    prices: prices.rows[0]?.digest ?? "",
  };
}

/** $1: the last account that was looked at. */
const accountsSql = `WITH chunk AS MATERIALIZED (SELECT id, kind FROM account WHERE id > $1 ORDER BY id LIMIT $3)
  SELECT count(*) AS looked, (SELECT id FROM chunk ORDER BY id DESC LIMIT 1) AS last, count(e.account_id) AS accounts,
    coalesce(sum(CASE c.kind WHEN 'wallet' THEN e.balance_after_nano_usd ELSE -e.balance_after_nano_usd END), 0)::text AS balance,
    coalesce(string_agg(uuid_send(e.account_id) || int8send(e.account_seq) || e.hash, '' ORDER BY e.account_id), '') AS links
  FROM chunk c LEFT JOIN LATERAL (
    SELECT * FROM ledger_entry e WHERE e.account_id = c.id AND e.created_at < $2::timestamptz
    ORDER BY e.account_seq DESC LIMIT 1) e ON true`;

const auditSql = `SELECT id, encode(hash, 'hex') AS hash FROM audit_log WHERE created_at < $1::timestamptz ORDER BY id DESC LIMIT 1`;

/** A version may still be retired later: that counts once it has happened. */
const pricesSql = `SELECT count(*) AS count, encode(sha256(convert_to(coalesce(string_agg(ROW(id, model, prices, markup_ppm,
    context_tokens, max_output_tokens, source, extract(epoch FROM valid_from), extract(epoch FROM created_at),
    CASE WHEN retired_at < $1::timestamptz THEN extract(epoch FROM retired_at) END)::text, '' ORDER BY id), ''), 'UTF8')), 'hex') AS digest
  FROM price_version WHERE created_at < $1::timestamptz`;

/** What two heads of one moment do not agree in; none: they are the same. */
export function differences(kept: BooksHead, found: BooksHead): string[] {
  const said = (what: string, one: number | string, other: number | string) =>
    one === other ? [] : [`${what} ${other}, not ${one}`];
  return [
    ...said("accounts:", kept.accounts, found.accounts),
    ...said("all balances in nano-USD:", kept.balanceNanoUsd, found.balanceNanoUsd),
    ...(kept.chains === found.chains ? [] : ["the chains of accounts are others"]),
    ...(kept.audit?.id === found.audit?.id && kept.audit?.hash === found.audit?.hash
      ? []
      : ["the audit log is another"]),
    ...said("price versions:", kept.priceVersions, found.priceVersions),
    ...(kept.prices === found.prices ? [] : ["prices are others"]),
  ];
}
