import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { checkPooler } from "./check-pooler.ts";
import { openCallPool } from "./database.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

let db: TestDatabase;
beforeAll(async () => void (db = await createTestDatabase()));
afterAll(() => db.drop());

test("a database that nothing stands in front of passes", async () => {
  await checkPooler(db.url);
});

const knownParameters = new Set(["user", "database", "client_encoding", "application_name"]);

/** What is between the lengths and the last NUL of a startup message: names and values. */
function parametersOf(message: Buffer): string[] {
  const parts = message.toString("latin1", 8).split("\0");
  return parts.filter((part, n) => n % 2 === 0 && part !== "");
}

test("connections say nothing at their start that poolers refuse", async () => {
  const target = new URL(db.url);
  const seen: string[][] = [];
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname);
    client.once("data", (message: Buffer) => {
      seen.push(parametersOf(message));
      server.write(message);
      client.pipe(server).pipe(client);
    });
    for (const socket of [client, server]) socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = new URL(db.url);
  url.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const pool = openCallPool(url.href, "ledger");
  const { rows } = await pool.query("SHOW lock_timeout");
  await pool.end();
  proxy.close();
  expect(rows).toEqual([{ lock_timeout: "50ms" }]);
  expect(seen.flat().filter((name) => !knownParameters.has(name))).toEqual([]);
});

const pgbouncer = "/usr/sbin/pgbouncer";

describe.skipIf(!existsSync(pgbouncer))("behind PgBouncer", () => {
  let bouncer: ChildProcess | null = null;
  afterEach(() => {
    bouncer?.kill();
    bouncer = null;
  });

  async function startBouncer(poolMode: "session" | "transaction"): Promise<string> {
    const { hostname, port, username, password, pathname } = new URL(db.url);
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const listenPort = (probe.address() as AddressInfo).port;
    await new Promise((resolve) => probe.close(resolve));
    const folder = mkdtempSync(path.join(tmpdir(), "pgbouncer-"));
    chmodSync(folder, 0o755);
    const file = path.join(folder, "pgbouncer.ini");
    const login = `user=${username}${password ? ` password=${decodeURIComponent(password)}` : ""}`;
    const lines = [
      "[databases]",
      `* = host=${hostname} port=${port} ${login}`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${listenPort}`,
      "auth_type = any",
      "unix_socket_dir =",
      `pool_mode = ${poolMode}`,
    ];
    writeFileSync(file, lines.join("\n"));
    bouncer = spawn(pgbouncer, ["-u", "nobody", file], { stdio: "ignore" });
    await expect
      .poll(
        () =>
          new Promise((resolve) => {
            const socket = connect(listenPort, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
            socket.on("connect", () => socket.destroy());
          }),
        { timeout: 10_000 },
      )
      .toBe(true);
    return `postgres://${username}@127.0.0.1:${listenPort}${pathname}`;
  }

  test("that pools sessions, with its defaults, everything works", async () => {
    const url = await startBouncer("session");
    await checkPooler(url);
    const pool = openCallPool(url, "ledger");
    for (let n = 0; n < 3; n++) await pool.query({ name: "one", text: "SELECT $1::int AS one", values: [1] });
    expect((await pool.query("SHOW lock_timeout")).rows).toEqual([{ lock_timeout: "50ms" }]);
    await pool.end();
  });

  test("that pools transactions, the start says in one sentence what is wrong", async () => {
    const url = await startBouncer("transaction");
    await expect(checkPooler(url)).rejects.toThrow("pool_mode = session");
  });
});
