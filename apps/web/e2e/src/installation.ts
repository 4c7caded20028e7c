/** A gateway over a PostgreSQL of its own: each may die and be started again while the other lives. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openDatabase, startEmbeddedPostgres, type Database, type EmbeddedPostgres } from "@codex-gateway/db";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { gatewayEnv } from "./gateway-env.ts";

export type Installation = {
  gateway: GatewayProcess;
  postgres: EmbeddedPostgres;
  databaseFolder: string;
  db: Database;
  /** In the place of one that has ended. */
  startGateway(): Promise<void>;
  /** In the place of one that has ended, on its port. */
  startPostgres(): Promise<void>;
  /** Ends what lives and removes its folder. */
  stop(signal?: NodeJS.Signals): Promise<void>;
};

export type InstallationOptions = {
  /** Of the gateway's environment, what is not as in every test. */
  own?: Record<string, string>;
  /** Where nothing is killed, the disk need not be waited for. */
  isDurable?: boolean;
};

export async function startInstallation(name: string, options: InstallationOptions = {}): Promise<Installation> {
  const { own = {}, isDurable = false } = options;
  const folder = mkdtempSync(path.join(tmpdir(), `codex-gateway-${name}-`));
  const databaseFolder = path.join(folder, "database");
  const serverOptions = isDurable ? [] : ["-c", "fsync=off"];
  const postgres = await startEmbeddedPostgres(databaseFolder, { serverOptions });
  const env = gatewayEnv({ DATA_FOLDER: path.join(folder, "gateway"), DATABASE_URL: postgres.url, ...own });
  const installation: Installation = {
    gateway: await startGatewayProcess(env),
    postgres,
    databaseFolder,
    db: openDatabase(postgres.url, { maxConnections: 2 }),
    startGateway: async () => {
      installation.gateway = await startGatewayProcess(env);
    },
    startPostgres: async () => {
      const port = Number(new URL(postgres.url).port);
      installation.postgres = await startEmbeddedPostgres(databaseFolder, { serverOptions, port });
    },
    stop: async (signal) => {
      await installation.db.close().catch(() => undefined);
      await installation.gateway.stop(signal);
      await installation.postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return installation;
}
