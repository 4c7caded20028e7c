/** Looks at the start whether what stands between the gateway and its database lets through what it needs. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { StartError } from "./start-error.ts";

const connectMs = 5_000;
const arrivalMs = 3_000;

/**
 * A word of one connection must reach another one that listens, or a revoked key would go on working. Where sessions are not
 * pooled as sessions it does not, and neither do settings and prepared statements hold.
 * @throws StartError with one sentence
 */
export async function checkPooler(url: string): Promise<void> {
  const options = { connectionString: url, connectionTimeoutMillis: connectMs };
  const [listener, speaker] = [new pg.Client(options), new pg.Client(options)];
  for (const client of [listener, speaker]) client.on("error", () => undefined);
  const channel = `check_${randomUUID().replaceAll("-", "")}`;
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.all([listener.connect(), speaker.connect()]);
    const heard = new Promise<boolean>((resolve) => {
      listener.once("notification", () => resolve(true));
      timer = setTimeout(() => resolve(false), arrivalMs);
    });
    await listener.query(`LISTEN ${channel}`);
    await speaker.query(`NOTIFY ${channel}`);
    if (await heard) return;
  } finally {
    clearTimeout(timer);
    await Promise.all([listener, speaker].map((client) => client.end().catch(() => undefined)));
  }
  throw new StartError(
    "Notifications of the database do not arrive: a pooler in front of it must pool sessions (PgBouncer: pool_mode = session), or DATABASE_URL must lead to PostgreSQL itself.",
    { isFinal: true },
  );
}
