/** Brings everything up in order, and down in the opposite one. */
import type { Database } from "@codex-gateway/db";
import {
  createBrowserCookie,
  createSessions,
  createThrottles,
  hasOwner,
  reencrypt,
  writeSecretKeyId,
} from "@codex-gateway/domain";
import { createNodeDoor, createWebDoor, keyEndpoints, type Log, type NodeDoor } from "@codex-gateway/gateway";
import { acceptMore } from "../http/accept-more.ts";
import { asConfiguration } from "./configuration-error.ts";
import { createClientAddress, type ClientAddress } from "../http/client-address.ts";
import { openDatabaseOf } from "./database-of.ts";
import { createApiListener, createPagesListener, type Probes } from "../http/listeners.ts";
import { createDrain, type Drain } from "../http/drain.ts";
import { outboundProxyOf, type Env } from "./env.ts";
import type { CaughtFault } from "../observability/last-guard.ts";
import { listen, portOf, type Listening } from "../http/listen.ts";
import { connectionLimitsOf, warnOfOpenFiles } from "./open-files.ts";
import { builtPages, type PageSource } from "./page-source.ts";
import { createPublicAddress } from "../http/public-address.ts";
import { createPageHandler } from "../http/remix-handler.ts";
import { secretsOf } from "./secret-key.ts";
import { aTestAlert } from "../notify/send-alert.ts";
import { issueSetupLink } from "./setup-link.ts";
import { testUpstream } from "../http/test-upstream.ts";
import { compose, type Composed } from "./compose.ts";

export type Running = {
  /** Null where the role has no such port. */
  webUrl: string | null;
  apiUrl: string | null;
  /** Where the first owner is made; null where there is one, or where another process has the pages. */
  setupLink: string | null;
  isOwned: boolean;
  callsUnderWay(): number;
  /** Lets a stop wait for no call any more: they are cut off in order, and settled. */
  hurry(): void;
  /** Counts an error that nobody has caught, and tells of it. */
  noteFault(fault: CaughtFault): void;
  /** Ends everything that was started; resolves with the number of requests that could not be settled. */
  stop(): Promise<number>;
};

/** @throws Error with one sentence where something is in the way; nothing is left running then */
export async function startGateway(
  env: Env,
  rootFolder: string,
  log: Log,
  readPages: (rootFolder: string) => Promise<PageSource> = builtPages,
): Promise<Running> {
  const undo: (() => Promise<unknown>)[] = [];
  let unsettled = 0;
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
    return unsettled;
  };
  const drain = createDrain();
  try {
    const clients = asConfiguration(() => createClientAddress(env.TRUSTED_PROXIES));
    const { database, databaseUrl, ledgerUrl } = await openDatabaseOf(env, rootFolder, undo, log);
    const secrets = await secretsOf(database, env);
    const renewed = await reencrypt(database, secrets);
    if (renewed > 0) log("warn", "secret_key_replaced", { values: renewed });
    const composed = await compose(database, {
      databaseUrl,
      ledgerUrl,
      secrets,
      env,
      log,
      clients,
      proxy: outboundProxyOf(env),
    });
    await writeSecretKeyId(database, secrets.id);
    undo.push(async () => {
      unsettled = await composed.stop();
    });
    const { web, api } = await openDoors({ env, rootFolder, readPages, log, database, composed, clients, drain }, undo);
    const setupLink = web && (await issueSetupLink(database, env.DATA_FOLDER, env.PUBLIC_URL ?? web));
    return {
      webUrl: web && (env.PUBLIC_URL ?? web),
      apiUrl: api && `${api}/v1`,
      setupLink,
      isOwned: await hasOwner(database),
      callsUnderWay: () => composed.gateway.inFlight(),
      hurry: () => drain.hurry(),
      noteFault: (fault) => composed.noteFault(fault),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Parts = {
  env: Env;
  rootFolder: string;
  readPages: (rootFolder: string) => Promise<PageSource>;
  log: Log;
  database: Database;
  composed: Composed;
  clients: ClientAddress;
  drain: Drain;
};

/** Listens on the ports of the role; answers with their addresses on this machine. */
async function openDoors(parts: Parts, undo: (() => Promise<unknown>)[]) {
  const { env, log, composed, clients, drain } = parts;
  const nodeDoor = createNodeDoor(composed.gateway, { addressOf: (req) => clients.of(req) });
  const probes: Probes = {
    isReady: async () => !drain.isDraining() && (await composed.reachesDatabase()),
  };
  const listening: Listening[] = [];
  const ports = { web: env.PORT, api: env.API_PORT };
  const common = {
    host: env.HOST,
    clients,
    log,
    ...connectionLimitsOf(env.ROLE),
    times: { maxExchangeMs: composed.maxCallMs },
  };
  undo.push(async () => {
    await drain.end(listening, { deadlineMs: env.DRAIN_SECONDS * 1_000, cutOff: () => composed.cutOff() });
    nodeDoor.close();
  });
  if (env.ROLE !== "api") {
    const pages = createPagesListener(await pagesOf(parts, ports), probes);
    const opened = await listen(drain.watch(pages), { ...common, port: env.PORT, name: "PORT" });
    listening.push(opened);
    ports.web = portOf(opened);
  }
  if (env.ROLE !== "web") {
    const api = apiOf(nodeDoor, composed, probes);
    const opened = await listen(drain.watch(api), { ...common, port: env.API_PORT, name: "API_PORT" });
    listening.push(opened);
    ports.api = portOf(opened);
  }
  acceptMore(listening, log);
  warnOfOpenFiles(env.ROLE, log);
  return {
    web: env.ROLE === "api" ? null : `http://localhost:${ports.web}`,
    api: env.ROLE === "web" ? null : `http://localhost:${ports.api}`,
  };
}

const apiOf = (nodeDoor: NodeDoor, { metrics }: Composed, probes: Probes) =>
  createApiListener(
    {
      gateway: (req, res) => nodeDoor.answer(req, res),
      metrics: metrics && ((req, res) => metrics.answer(req, res)),
    },
    probes,
  );

async function pagesOf(parts: Parts, ports: { web: number; api: number }) {
  const { env, log, database, composed, clients } = parts;
  const source = await parts.readPages(parts.rootFolder);
  const publicUrl = () => env.PUBLIC_URL ?? `http://localhost:${ports.web}`;
  const isHttps = publicUrl().startsWith("https:");
  const pages = createPageHandler(source, {
    proxy: createWebDoor(composed.gateway),
    api: {
      db: database,
      secrets: composed.secrets,
      sessions: createSessions(database, isHttps),
      browserCookie: createBrowserCookie(isHttps),
      throttles: createThrottles(database),
      endpoints: keyEndpoints,
      testUpstream: (upstream) => testUpstream(composed.gateway, upstream),
      healthOfUpstream: composed.healthOfUpstream,
      sendTestAlert: (targets) => composed.sendAlert(targets, aTestAlert()),
    },
    log,
    publicUrl,
    publicAddress: createPublicAddress({ configured: { page: env.PUBLIC_URL, api: env.API_URL }, ports }),
  });
  return { pages, clients, publicUrl, serveFile: source.serveFile };
}
