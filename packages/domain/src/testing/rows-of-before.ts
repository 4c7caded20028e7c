/** Rows as versions wrote them whose entries were chained by `entry_hash`: of a user of their own, from hours that have ended. */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { aPayer, dollar } from "@codex-gateway/ledger/testing";

const costNanoUsd = 2_000_000n;

/** Enters money that came in four hours ago, and two calls after it. */
export async function enterAsBefore(db: Database): Promise<void> {
  const { accountId, apiKeyId, priceVersionId } = await aPayer(db, { balanceNanoUsd: 0n });
  const adjustmentId = randomUUID();
  await db.pool.query(
    `INSERT INTO adjustment (id, account_id, source, source_id, amount_nano_usd, is_paid, created_at)
     VALUES ($1::uuid, $2, 'admin', $1::text, $3, true, date_trunc('hour', now()) - interval '4 hours')`,
    [adjustmentId, accountId, String(dollar)],
  );
  await enter(db, { accountId, kind: "adjustment", ref: adjustmentId, amountNanoUsd: dollar, hoursAgo: 4 });
  for (const hoursAgo of [3, 2]) {
    const ref = randomUUID();
    await db.pool.query(
      `WITH closed AS (
         INSERT INTO hold (id, account_id, api_key_id, amount_nano_usd, price_version_id, endpoint, model,
           input_tokens_bound, instance_id, instance_epoch, state, created_at, dispatched_at, settled_at)
         SELECT $1::uuid, $2::uuid, $3::uuid, $5::bigint, $4::uuid, 'chat.completions', 'test-model', 100, gen_random_uuid(), 1, 'captured', at, at, at
         FROM (SELECT date_trunc('hour', now()) - $6::int * interval '1 hour' AS at) t RETURNING *
       ), charged AS (
         INSERT INTO charge (hold_id, account_id, api_key_id, created_at, endpoint, model, usage, price_version_id,
           cost_nano_usd, basis, status, is_stream, latency_ms)
         SELECT id, account_id, api_key_id, settled_at, endpoint, model, '{"input": 1000, "output": 500}',
           price_version_id, $5::bigint, 'exact', 200, false, 20 FROM closed
       )
       INSERT INTO usage_rollup (account_id, api_key_id, model, hour, requests, input_tokens, output_tokens, cost_nano_usd)
       SELECT account_id, api_key_id, model, settled_at, 1, 1000, 500, $5::bigint FROM closed`,
      [ref, accountId, apiKeyId, priceVersionId, String(costNanoUsd), hoursAgo],
    );
    await enter(db, { accountId, kind: "capture", ref, amountNanoUsd: -costNanoUsd, hoursAgo });
  }
}

type Entry = { accountId: string; kind: string; ref: string; amountNanoUsd: bigint; hoursAgo: number };

async function enter({ pool }: Database, { accountId, kind, ref, amountNanoUsd, hoursAgo }: Entry): Promise<void> {
  await pool.query(
    `WITH moved AS (
       UPDATE account SET balance_nano_usd = balance_nano_usd + $4::bigint, seq = seq + 1,
         head_hash = entry_hash(head_hash, $2::entry_kind, $3::uuid, $4::bigint, balance_nano_usd + $4::bigint, seq + 1)
       WHERE id = $1::uuid RETURNING *
     )
     INSERT INTO ledger_entry (account_id, account_seq, kind, ref, amount_nano_usd, balance_after_nano_usd, hash, created_at)
     SELECT id, seq, $2::entry_kind, $3::uuid, $4::bigint, balance_nano_usd, head_hash,
       date_trunc('hour', now()) - $5::int * interval '1 hour' FROM moved`,
    [accountId, kind, ref, String(amountNanoUsd), hoursAgo],
  );
}
