/** Whether a failover of the database could lose what clients have been told of. */
import type pg from "pg";

/**
 * Returns why standbys that stream from this database may lag behind it; null where none does, or where none streams. Asks
 * for nothing that needs a right: who streams is seen by everybody, and only how far it is needs `pg_monitor`.
 */
export async function findStandbyFault(pool: Pick<pg.Pool, "query">): Promise<string | null> {
  const { rows } = await pool.query<{ streams: boolean; names: string; commit: string }>(
    `SELECT EXISTS (SELECT FROM pg_stat_replication) AS streams,
       current_setting('synchronous_standby_names') AS names, current_setting('synchronous_commit') AS commit`,
  );
  const [row] = rows;
  if (!row?.streams) return null;
  if (row.names.trim() === "") return "synchronous_standby_names is empty";
  return row.commit === "off" || row.commit === "local" ? `synchronous_commit is ${row.commit}` : null;
}
