/** Brings everything up in order, and down in the opposite one. */
import { rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { migrate, openDatabase, StartError, startEmbeddedPostgres, type Database } from "@codex-gateway/db";
import { createSessions, createThrottles, issueSetupToken } from "@codex-gateway/domain";
import { createNodeDoor, createWebDoor, type Log } from "@codex-gateway/gateway";
import type { ServerBuild } from "@remix-run/node";
import { lockDataFolder } from "./data-folder-lock.ts";
import { createApiListener, createPagesListener, listen, portOf, type Doors } from "./doors.ts";
import type { Env } from "./env.ts";
import { createPageHandler } from "./remix-handler.ts";
import { secretKeyFrom } from "./secret-key.ts";
import { testUpstream } from "./test-upstream.ts";
import { wire } from "./wire.ts";

export type Running = {
  /** What the owner reads once everything listens. */
  greeting: string;
  port: number;
  apiPort: number;
  /** Ends everything that was started; resolves with the number of requests that could not be settled. */
  stop(): Promise<number>;
};

/** @throws Error with one sentence where something is in the way; nothing is left running then */
export async function startGateway(env: Env, rootFolder: string): Promise<Running> {
  const undo: (() => Promise<unknown>)[] = [];
  let unsettled = 0;
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
    return unsettled;
  };
  try {
    const { database, databaseUrl } = await startDatabase(env, rootFolder, undo);
    const wired = await wire(database, {
      databaseUrl,
      secretKey: secretKeyFrom(env.SECRET_KEY, env.DATA_FOLDER),
      dataFolder: env.DATA_FOLDER,
      log: writeLog,
    });
    undo.push(async () => {
      unsettled = await wired.stop();
    });
    const webFolder = path.join(rootFolder, "apps/web/build");
    const build = (await import(pathToFileURL(path.join(webFolder, "server/index.js")).href)) as ServerBuild;
    const nodeDoor = createNodeDoor(wired.gateway);
    let isStopping = false;
    let port = env.PORT;
    let apiPort = env.API_PORT;
    const publicUrl = () => env.PUBLIC_URL ?? `http://localhost:${port}`;
    const doors: Doors = {
      pages: createPageHandler(build, {
        proxy: createWebDoor(wired.gateway),
        api: {
          db: database,
          secrets: wired.secrets,
          sessions: createSessions(database, publicUrl().startsWith("https:")),
          throttles: createThrottles(database),
          testUpstream,
          healthOfUpstream: wired.healthOfUpstream,
        },
        log: writeLog,
        publicUrl,
        apiUrl: () => apiUrlOf(publicUrl(), apiPort, env.API_URL),
      }),
      gateway: (req, res) => nodeDoor.answer(req, res),
      isReady: async () => !isStopping && (await database.pool.query("SELECT 1")).rowCount === 1,
      publicUrl,
      assetsFolder: path.join(webFolder, "client"),
    };
    const pages = await listen(createPagesListener(doors), env.PORT, env.HOST, "PORT");
    undo.push(() => close(pages));
    const api = await listen(createApiListener(doors), env.API_PORT, env.HOST, "API_PORT");
    undo.push(() => close(api));
    undo.push(() => {
      isStopping = true;
      wired.gateway.drain();
      nodeDoor.close();
      return Promise.resolve();
    });
    port = portOf(pages);
    apiPort = portOf(api);
    const token = await issueSetupToken(database);
    const setupLink = token === null ? null : `${publicUrl()}/setup?token=${token}`;
    return { greeting: greet(publicUrl(), apiPort, setupLink), port, apiPort, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One JSON object per line on standard error. */
const writeLog: Log = (level, event, fields) => {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
};

async function startDatabase(
  env: Env,
  rootFolder: string,
  undo: (() => Promise<unknown>)[],
): Promise<{ database: Database; databaseUrl: string }> {
  let url = env.DATABASE_URL;
  if (!url) {
    const unlock = lockDataFolder(env.DATA_FOLDER);
    undo.push(() => Promise.resolve().then(unlock));
    const server = await startEmbeddedPostgres(env.DATA_FOLDER);
    undo.push(() => server.stop());
    url = server.url;
    // `npm run verify` finds the running database by it.
    const urlFile = path.join(env.DATA_FOLDER, "database-url");
    writeFileSync(urlFile, url, { mode: 0o600 });
    undo.push(() => Promise.resolve(urlFile).then(rmSync));
  }
  const database = openDatabase(url);
  undo.push(() => database.close());
  await database.pool.query("SELECT 1").catch((error: unknown) => {
    const { hostname, port } = new URL(url);
    throw new StartError(`The database at ${hostname}:${port || "5432"} cannot be used: ${(error as Error).message}.`);
  });
  await migrate(database.pool, path.join(rootFolder, "prisma/migrations"));
  return { database, databaseUrl: url };
}

/** What is shown to users: what the operator says, else the API's own port on the host of the pages. */
function apiUrlOf(publicUrl: string, apiPort: number, configured: string | undefined): string {
  if (configured) return configured;
  const { protocol, hostname } = new URL(publicUrl);
  // Behind TLS only the pages' address is known to be reachable; its /v1 is the same gateway.
  return protocol === "https:" ? `${publicUrl}/v1` : `http://${hostname}:${apiPort}/v1`;
}

const greet = (publicUrl: string, apiPort: number, setupLink: string | null) =>
  [
    "Codex Gateway is running.",
    `  Pages  ${publicUrl}`,
    `  API    http://localhost:${apiPort}/v1`,
    ...(setupLink ? ["", "Nobody owns it yet. Open this link to set it up; it works once:", `  ${setupLink}`, ""] : []),
    "Press Ctrl-C to stop.",
  ].join("\n");

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  await closed;
}
