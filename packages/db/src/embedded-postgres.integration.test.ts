import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterEach, expect, test } from "vitest";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded-postgres.ts";
import { serverPidOf } from "./testing/server-of-folder.ts";

const folders: string[] = [];
const servers: EmbeddedPostgres[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function aFolder(prefix = "codex-gateway-pg-"): string {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  folders.push(folder);
  return folder;
}

async function start(folder: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(folder);
  servers.push(server);
  return server;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

test("data outlive a stop and a start, and the password file is readable to its owner alone", async () => {
  const folder = aFolder();
  const first = await start(folder);
  await query(first.url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
  await first.stop();
  const second = await start(folder);
  expect(await query(second.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
  expect(statSync(path.join(folder, "postgres.password")).mode & 0o077).toBe(0);
});

test("a folder below one that only root may enter works too", async () => {
  const closed = aFolder();
  chmodSync(closed, 0o700);
  const server = await start(path.join(closed, "data"));
  expect(await query(server.url, "SHOW fsync")).toEqual([{ fsync: "on" }]);
});

test("a server that outlived its killed gateway is replaced, with its data", async () => {
  const folder = aFolder();
  const orphan = await start(folder);
  await query(orphan.url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
  const orphanPid = serverPidOf(folder);
  const next = await start(folder);
  expect(await query(next.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
  expect(serverPidOf(folder)).not.toBe(orphanPid);
});

test("it is reached through its socket too, whatever its folder is called, and by TCP alone where the path is too long", async () => {
  const folder = path.join(aFolder("cg-"), `ü, "x"`);
  const server = await start(folder);
  const addressOf = "SELECT inet_client_addr() AS address";
  expect(await query(server.ledgerUrl, addressOf)).toEqual([{ address: null }]);
  expect(await query(server.url, addressOf)).toEqual([{ address: "127.0.0.1" }]);
  const deep = await start(path.join(aFolder(), "d".repeat(100)));
  expect(deep.ledgerUrl).toBe(deep.url);
  expect(await query(deep.url, addressOf)).toEqual([{ address: "127.0.0.1" }]);
});
