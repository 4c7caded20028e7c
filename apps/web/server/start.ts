/** Brings everything up in order, and down in the opposite one. */
import type { Server } from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { migrate, openDatabase, StartError, startEmbeddedPostgres, type Database } from "@codex-gateway/db";
import { errorAnswer } from "@codex-gateway/gateway";
import type { ServerBuild } from "@remix-run/node";
import { lockDataFolder } from "./data-folder-lock.ts";
import { createApiListener, createPagesListener, listen, portOf, type Doors } from "./doors.ts";
import type { Env } from "./env.ts";
import { createPageHandler } from "./remix-handler.ts";

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
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
    return 0;
  };
  try {
    const database = await startDatabase(env, rootFolder, undo);
    const webFolder = path.join(rootFolder, "apps/web/build");
    const build = (await import(pathToFileURL(path.join(webFolder, "server/index.js")).href)) as ServerBuild;
    const publicUrl = () => env.PUBLIC_URL ?? `http://localhost:${env.PORT}`;
    const proxy = () => Promise.resolve(unknownUrl());
    const doors: Doors = {
      pages: createPageHandler(build, { proxy }, publicUrl().startsWith("https:")),
      gateway: (_req, res) => {
        const { status, headers, body } = errorAnswer("unknown_url", crypto.randomUUID());
        res.writeHead(status, headers).end(body);
      },
      isReady: async () => (await database.pool.query("SELECT 1")).rowCount === 1,
      publicUrl,
      assetsFolder: path.join(webFolder, "client"),
    };
    const pages = await listen(createPagesListener(doors), env.PORT, env.HOST, "PORT");
    undo.push(() => close(pages));
    const api = await listen(createApiListener(doors), env.API_PORT, env.HOST, "API_PORT");
    undo.push(() => close(api));
    const [port, apiPort] = [portOf(pages), portOf(api)];
    return { greeting: greet(port, apiPort), port, apiPort, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startDatabase(env: Env, rootFolder: string, undo: (() => Promise<unknown>)[]): Promise<Database> {
  let url = env.DATABASE_URL;
  if (!url) {
    const unlock = lockDataFolder(env.DATA_FOLDER);
    undo.push(() => Promise.resolve().then(unlock));
    const server = await startEmbeddedPostgres(env.DATA_FOLDER);
    undo.push(() => server.stop());
    url = server.url;
  }
  const database = openDatabase(url);
  undo.push(() => database.close());
  await database.pool.query("SELECT 1").catch((error: unknown) => {
    const { hostname, port } = new URL(url);
    throw new StartError(`The database at ${hostname}:${port || "5432"} cannot be used: ${(error as Error).message}.`);
  });
  await migrate(database.pool, path.join(rootFolder, "prisma/migrations"));
  return database;
}

function unknownUrl(): Response {
  const { status, headers, body } = errorAnswer("unknown_url", crypto.randomUUID());
  return new Response(Buffer.from(body), { status, headers });
}

const greet = (port: number, apiPort: number) =>
  [
    "Codex Gateway is running.",
    `  Pages  http://localhost:${port}`,
    `  API    http://localhost:${apiPort}/v1`,
    "Press Ctrl-C to stop.",
  ].join("\n");

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  await closed;
}
