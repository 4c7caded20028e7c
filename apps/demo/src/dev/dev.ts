/**
 * The development server: the gateway and its pages from their sources, beside a fake upstream and an embedded database
 * that both outlive the restarts. All of it is one process, so that one Ctrl-C ends it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createSessions } from "@codex-gateway/domain";
import { openDatabaseOf } from "@codex-gateway/web/server/boot/database-of.ts";
import { readEnv, type Env } from "@codex-gateway/web/server/boot/env.ts";
import { createLogger } from "@codex-gateway/web/server/observability/log.ts";
import type { startGateway, Running } from "@codex-gateway/web/server/boot/start.ts";
import type { ViteDevServer } from "vite";
import { startFakeOpenAi } from "../fake-openai.ts";
import { furnish, owner, user } from "../furnish.ts";
import { createLoginLinks, type LoginLinks } from "./login-links.ts";
import { createPageSource } from "./page-source.ts";
import { keepRestarting } from "./restarts.ts";

export type DevParts = { vite: ViteDevServer; rootFolder: string; changesPort: number };
type Database = Awaited<ReturnType<typeof openDatabaseOf>>["database"];
type Undo = (() => Promise<unknown>)[];

/** Runs until a signal; a start that fails is told in one sentence. */
export async function runDev({ vite, rootFolder, changesPort }: DevParts): Promise<void> {
  const undo: Undo = [() => vite.close()];
  const end = async (exitCode: number) => {
    for (const step of undo.splice(0).reverse()) await step().catch((error: unknown) => console.error(error));
    process.exit(exitCode);
  };
  // A terminal, npm and whoever hands the signal on may all send it.
  let isEnding = false;
  const endOnce = (exitCode: number) => {
    if (isEnding) return;
    isEnding = true;
    end(exitCode).catch((error: unknown) => console.error(error));
  };
  // Remix's plugin runs a second Vite, which exits at once on these and would leave the database behind.
  process.removeAllListeners("SIGTERM");
  process.stdin.removeAllListeners("end");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => endOnce(0));
  try {
    await start({ vite, rootFolder, changesPort }, undo);
  } catch (error) {
    console.error(`The development server cannot start: ${(error as Error).message}`);
    endOnce(1);
  }
}

async function start({ vite, rootFolder, changesPort }: DevParts, undo: Undo): Promise<void> {
  const { UPSTREAM_PORT = "4110" } = process.env;
  const fake = await startFakeOpenAi({ port: Number(UPSTREAM_PORT), keeps: 0 }).catch((error: unknown) => {
    const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    throw isTaken ? new Error(`Port ${UPSTREAM_PORT} is taken; set UPSTREAM_PORT to a free one.`) : error;
  });
  undo.push(() => fake.stop());
  const env = devEnv(process.env, rootFolder);
  const { log } = createLogger(env);
  // As its owner: each server that starts brings the schema up to date, and takes the gateway's role by itself.
  const asOwner = { ...env, DATABASE_APP_ROLE: "off" as const };
  const { database, databaseUrl } = await openDatabaseOf(asOwner, rootFolder, undo, log);
  const links = createLoginLinks(createSessions(database, false));
  const pages = createPageSource(vite, links, changesPort);
  const restarts = keepRestarting({
    vite,
    rootFolder,
    load: async () => {
      const server = (await vite.ssrLoadModule("/server/boot/start.ts")) as { startGateway: typeof startGateway };
      const withDatabase = { ...env, DATABASE_URL: databaseUrl };
      return () => server.startGateway(withDatabase, rootFolder, log, () => Promise.resolve(pages));
    },
    say: console.log,
  });
  undo.push(() => restarts.stop());
  const running = await restarts.first;
  const apiKey = await furnishOnce(running, { keyFile: path.join(env.DATA_FOLDER, "api-key"), upstreamUrl: fake.url });
  console.log(await greet(running, { database, links, apiKey, upstreamUrl: fake.url }));
}

/** Ports and a data folder of its own, so that it runs beside `npm start`; .env is not read. */
function devEnv(given: NodeJS.ProcessEnv, rootFolder: string): Env {
  const { PORT = "3100", API_PORT = "8180", DATA_FOLDER = "data/dev", LOG_LEVEL = "warn" } = given;
  const [HOST, PUBLIC_URL] = ["127.0.0.1", `http://127.0.0.1:${PORT}`];
  // Without a DATABASE_URL the journal is on, as it is with `npm start`; a restart waits for no call.
  return readEnv({ PORT, API_PORT, HOST, PUBLIC_URL, DATA_FOLDER, LOG_LEVEL, DRAIN_SECONDS: "0" }, rootFolder);
}

/** Makes owner, user and key at the first start; returns the key. */
async function furnishOnce(
  { webUrl, setupLink }: Running,
  { keyFile, upstreamUrl }: { keyFile: string; upstreamUrl: string },
): Promise<string> {
  if (setupLink === null) return readFileSync(keyFile, "utf8").trim();
  const setupToken = new URL(setupLink).searchParams.get("token");
  const { apiKey } = await furnish({ web: webUrl ?? "", setupToken }, { upstreamUrl });
  writeFileSync(keyFile, `${apiKey}\n`, { mode: 0o600 });
  return apiKey;
}

type Greeting = { database: Database; links: LoginLinks; apiKey: string; upstreamUrl: string };

async function greet({ webUrl, apiUrl }: Running, { database, links, apiKey, upstreamUrl }: Greeting): Promise<string> {
  const linkOf = async ({ email, password }: typeof owner) => {
    const { rows } = await database.pool.query<{ id: string }>(`SELECT id FROM "user" WHERE email = $1`, [email]);
    const [row] = rows;
    return row ? `${webUrl}${links.create(row.id)}\n             (or ${email} / ${password})` : `${email} is gone`;
  };
  return `The development server runs; Ctrl-C ends all of it.

  Owner      ${await linkOf(owner)}
  User       ${await linkOf(user)}
  API        ${apiUrl}
  API key    ${apiKey}
  Upstream   ${upstreamUrl} (fake)

Each link logs in once. Pages change in the browser as you save; the server restarts by itself.`;
}
