/** Sees which transactions write what, so that tests can tell whether an act and its line in the audit log are one. */
import type { Database } from "@codex-gateway/db";

/** Counters of attempts are no acts, and the head of the log is part of its lines. */
const unwatched = ["throttle", "audit_head", "_prisma_migrations"];

/** The tables that were written, per transaction, each as often as it was. */
export type Writes = string[][];

export async function watchWrites({ pool }: Pick<Database, "pool">) {
  await pool.query(`CREATE SCHEMA watched;
    CREATE TABLE watched.write (transaction bigint DEFAULT txid_current(), name text);
    CREATE FUNCTION watched.note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO watched.write (name) VALUES (TG_TABLE_NAME);
      RETURN NULL;
    END $$;
    CREATE FUNCTION watched.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'no line today';
    END $$;
    CREATE FUNCTION watched.die() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_terminate_backend(pg_backend_pid());
      RETURN NEW;
    END $$`);
  const { rows } = await pool.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ($1)",
    [unwatched],
  );
  for (const { name } of rows) {
    await pool.query(`CREATE TRIGGER watched AFTER INSERT OR UPDATE OR DELETE ON "${name}"
      FOR EACH ROW EXECUTE FUNCTION watched.note()`);
  }
  return {
    /** What was written since the last time. */
    take: async (): Promise<Writes> => {
      const { rows: written } = await pool.query<{ names: string[] }>(
        `WITH taken AS (DELETE FROM watched.write RETURNING *)
         SELECT array_agg(name ORDER BY name) AS names FROM taken GROUP BY transaction ORDER BY transaction`,
      );
      return written.map(({ names }) => names);
    },
    /** While `work` runs no line can be written: it is refused, or the connection dies over it. */
    withoutLines: async (how: "refuse" | "die", work: () => Promise<void>): Promise<void> => {
      await pool.query(
        `CREATE TRIGGER no_line BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION watched.${how}()`,
      );
      await work();
      await pool.query("DROP TRIGGER no_line ON audit_log");
    },
  };
}
