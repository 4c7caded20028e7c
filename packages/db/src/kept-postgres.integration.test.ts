import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepEmbeddedPostgres, type PostgresEvent } from "./kept-postgres.ts";

let folder: string;
let heard: PostgresEvent["event"][];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-kept-"));
  heard = [];
});
afterEach(() => {
  for (const pid of serversOfFolder()) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const keep = () => keepEmbeddedPostgres(folder, ({ event }) => heard.push(event));
const killServer = () =>
  process.kill(Number(readFileSync(path.join(folder, "postgres/postmaster.pid"), "utf8").split("\n")[0]), "SIGKILL");
const heardLast = (event: PostgresEvent["event"]) =>
  expect.poll(() => heard.at(-1), { timeout: 30_000, interval: 5 }).toBe(event);

/** Process ids of the servers that have their data in this test's folder. */
function serversOfFolder(): number[] {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.includes(`-D ${folder}/`)).map((line) => Number.parseInt(line, 10));
}

test("a stop while it starts again leaves no server behind", async () => {
  const server = await keep();
  expect(serversOfFolder()).toHaveLength(1);
  killServer();
  await heardLast("died");
  await expect.poll(serversOfFolder, { interval: 5 }).toHaveLength(1); // the next one comes up
  await server.stop();
  expect(serversOfFolder()).toEqual([]);
  expect(heard).toEqual(["died"]);
}, 60_000);

test("a stop while another program has its port, and says nothing, comes to an end", async () => {
  const server = await keep();
  killServer();
  const silent = await silentOn(Number(new URL(server.url).port));
  await heardLast("restart_failed");
  await server.stop();
  silent.close();
  expect(serversOfFolder()).toEqual([]);
}, 60_000);

/** As soon as the port is free. */
async function silentOn(port: number): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => socket.unref());
    const isUp = await new Promise((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isUp) return server;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
