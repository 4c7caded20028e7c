/** Word of changes made by any process, so that none serves what another one has revoked. */
import pg from "pg";

export type ChangeTopic = "keys" | "upstreams" | "settings" | "prices";
type Changes = { stop(): Promise<void> };

const retryMs = 1_000;

/** Calls `onChange` per change; with null after a connection was lost, when anything may have changed. */
export async function listenToChanges(url: string, onChange: (topic: ChangeTopic | null) => void): Promise<Changes> {
  let client: pg.Client | null = null;
  let isStopped = false;
  let retry: NodeJS.Timeout | null = null;

  async function connect(): Promise<void> {
    const next = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000, keepAlive: true });
    const lost = () => {
      if (client !== next || isStopped) return;
      client = null;
      onChange(null);
      retry = setTimeout(() => void connect().catch(again), retryMs);
    };
    next.on("error", lost).on("end", lost);
    next.on("notification", ({ payload }) => onChange(payload as ChangeTopic));
    await next.connect();
    await next.query("LISTEN codex_gateway");
    client = next;
    onChange(null);
  }
  const again = () => {
    if (!isStopped) retry = setTimeout(() => void connect().catch(again), retryMs);
  };

  await connect();
  return {
    stop: async () => {
      isStopped = true;
      if (retry) clearTimeout(retry);
      await client?.end();
    },
  };
}
