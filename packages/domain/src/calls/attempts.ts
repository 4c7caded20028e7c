/**
 * What was asked of upstreams and is in no charge: failed attempts, and answers that reached nobody. Gathered and
 * written together, beside the calls; losing the last of it with the process loses no money.
 */
import type { Database } from "@codex-gateway/db";

type Attempt = {
  upstreamId: string;
  /** "answered", or why there was no answer. */
  outcome: string;
  status: number | null;
  /** Whether the provider may bill the operator for it. */
  mayBeBilled: boolean;
  startedAtMs: number;
  endedAtMs: number;
};

export type AttemptLog = {
  /** The attempts of one hold, in their order. */
  note(holdId: string, attempts: readonly Attempt[]): void;
  /** Resolves when what was noted so far is written, or given up. */
  idle(): Promise<void>;
};

/** Above this, an outage of the database costs attempts instead of memory. */
const maxWaiting = 10_000;

export function createAttemptLog({ pool }: Pick<Database, "pool">): AttemptLog {
  let waiting: object[] = [];
  let running: Promise<void> | null = null;

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const rows = waiting;
      waiting = [];
      await pool.query(insert, [JSON.stringify(rows)]).catch(() => undefined);
    }
    running = null;
  }

  return {
    note: (holdId, attempts) => {
      if (waiting.length > maxWaiting) return;
      attempts.forEach((attempt, at) => waiting.push(rowOf(holdId, at + 1, attempt)));
      running ??= flush();
    },
    idle: () => running ?? Promise.resolve(),
  };
}

const rowOf = (holdId: string, n: number, attempt: Attempt) => ({
  hold_id: holdId,
  n,
  upstream_id: attempt.upstreamId,
  outcome: attempt.outcome,
  status: attempt.status,
  maybe_billed: attempt.mayBeBilled,
  started_at: new Date(attempt.startedAtMs),
  ended_at: new Date(attempt.endedAtMs),
});

const insert = `INSERT INTO attempt SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(hold_id uuid, n int, upstream_id uuid,
  outcome text, status int, maybe_billed boolean, started_at timestamptz, ended_at timestamptz) ON CONFLICT DO NOTHING`;
