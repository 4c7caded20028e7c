/** The installation's database: the given one, or the embedded one under the data folder. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  checkPooler,
  createAppRole,
  type Database,
  type DatabaseUse,
  findSchemaFolders,
  findStandbyFault,
  keepEmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
  StartError,
} from "@codex-gateway/db";
import type { Log } from "@codex-gateway/gateway";
import { lockDataFolder } from "./data-folder-lock.ts";
import type { Env } from "./env.ts";

type Undo = (() => Promise<unknown>)[];
export type OpenDatabase = { database: Database; databaseUrl: string };
/** `ledgerUrl`: the same database, on the shortest way. */
type GatewayDatabase = OpenDatabase & { ledgerUrl: string };
type Urls = { url: string; ledgerUrl: string };

/** Where the embedded database of a running gateway is found by the commands beside it. */
const urlFileOf = (dataFolder: string) => path.join(dataFolder, "database-url");

/** For the gateway: starts the embedded PostgreSQL where none is given, keeps it up, and brings the schema up to date. */
export async function openDatabaseOf(env: Env, rootFolder: string, undo: Undo, log: Log): Promise<GatewayDatabase> {
  const keep = (folder: string) =>
    keepEmbeddedPostgres(folder, ({ event, ...fields }) => log("error", `database_${event}`, fields));
  const given = env.DATABASE_URL && { url: env.DATABASE_URL, ledgerUrl: env.DATABASE_URL };
  const owner = given || (await startEmbedded(env.DATA_FOLDER, undo, keep));
  await requireDatabase(owner.url);
  if (env.DATABASE_URL) {
    await checkPooler(env.DATABASE_URL);
    await warnOfStandbys(env.DATABASE_URL, log);
  }
  await updateSchema(owner.url, rootFolder);
  const { url, ledgerUrl } = env.DATABASE_APP_ROLE === "on" ? await asAppRole(owner, env, log) : owner;
  return { database: await connect(url, "app", undo), databaseUrl: url, ledgerUrl };
}

/** A database that fails over to a standby which lags loses charges that clients have been told of. */
async function warnOfStandbys(url: string, log: Log): Promise<void> {
  const client = openDatabase(url, { use: "commands", maxConnections: 1 });
  try {
    const reason = await findStandbyFault(client.pool);
    if (reason) log("warn", "standby_not_synchronous", { reason });
  } finally {
    await client.close();
  }
}

/** As the role that can do no more than a running gateway has to; as the owner where there can be none. */
async function asAppRole(owner: Urls, env: Env, log: Log): Promise<Urls> {
  const password = decodeURIComponent(new URL(owner.url).password) || env.PGPASSWORD;
  if (!password) {
    log("warn", "database_role_unavailable", { reason: "no_password" });
    return owner;
  }
  try {
    const { urlFor } = await createAppRole(owner.url, password);
    return { url: urlFor(owner.url), ledgerUrl: urlFor(owner.ledgerUrl) };
  } catch (error) {
    log("warn", "database_role_unavailable", { reason: (error as { code?: string }).code ?? "unknown" });
    return owner;
  }
}

/**
 * For a command beside the gateway: the given database, the embedded one of a gateway that runs, or the embedded one,
 * started for the command. The schema stays as it is.
 * @throws StartError where there is no database yet, unless `mayCreate`
 */
export async function findDatabaseOf(env: Env, undo: Undo, { mayCreate = false } = {}): Promise<OpenDatabase> {
  let url = env.DATABASE_URL ?? (await runningEmbedded(env.DATA_FOLDER));
  if (!url) {
    if (!mayCreate && !existsSync(path.join(env.DATA_FOLDER, "postgres"))) {
      throw new StartError(`There is no database in ${env.DATA_FOLDER} yet; start the gateway first.`);
    }
    ({ url } = await startEmbedded(env.DATA_FOLDER, undo, startEmbeddedPostgres));
  }
  return { database: await connect(url, "commands", undo), databaseUrl: url };
}

/** Null where none runs; the file of a gateway that was killed may name one that is gone. */
async function runningEmbedded(dataFolder: string): Promise<string | null> {
  const urlFile = urlFileOf(dataFolder);
  if (!existsSync(urlFile)) return null;
  const url = readFileSync(urlFile, "utf8").trim();
  const probe = openDatabase(url, { maxConnections: 1 });
  const isRunning = await probe.pool.query("SELECT 1").then(
    () => true,
    () => false,
  );
  await probe.close();
  return isRunning ? url : null;
}

type Start = (folder: string) => Promise<Urls & { stop(): Promise<void> }>;

async function startEmbedded(dataFolder: string, undo: Undo, start: Start): Promise<Urls> {
  const unlock = lockDataFolder(dataFolder);
  undo.push(() => Promise.resolve().then(unlock));
  const server = await start(dataFolder);
  undo.push(() => server.stop());
  const urlFile = urlFileOf(dataFolder);
  writeFileSync(urlFile, server.url, { mode: 0o600 });
  undo.push(() => Promise.resolve(urlFile).then(rmSync));
  return server;
}

/** A migration takes as long as it takes: it has other limits than what clients wait for. */
async function updateSchema(url: string, rootFolder: string): Promise<void> {
  const database = openDatabase(url, { use: "commands", maxConnections: 1 });
  try {
    await migrate(database.pool, findSchemaFolders(rootFolder));
  } finally {
    await database.close();
  }
}

/** @throws StartError in one sentence where it cannot be used */
async function requireDatabase(url: string): Promise<void> {
  const undo: Undo = [];
  try {
    await connect(url, "commands", undo);
  } finally {
    for (const close of undo) await close();
  }
}

async function connect(url: string, use: DatabaseUse, undo: Undo): Promise<Database> {
  const database = openDatabase(url, { use });
  undo.push(() => database.close());
  await database.pool.query("SELECT 1").catch((error: unknown) => {
    const { hostname, port } = new URL(url);
    throw new StartError(`The database at ${hostname}:${port || "5432"} cannot be used: ${(error as Error).message}.`);
  });
  return database;
}
