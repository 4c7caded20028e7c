import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepEmbeddedPostgres, type PostgresEvent } from "./kept-postgres.ts";
import { killServerOf, serversOf, silentOn } from "./testing/server-of-folder.ts";

let folder: string;
let heard: PostgresEvent["event"][];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-kept-"));
  heard = [];
});
afterEach(() => {
  for (const pid of serversOf(folder)) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const keep = () => keepEmbeddedPostgres(folder, ({ event }) => heard.push(event));
const heardLast = (event: PostgresEvent["event"]) =>
  expect.poll(() => heard.at(-1), { timeout: 30_000, interval: 5 }).toBe(event);

test("a stop while it starts again leaves no server behind", async () => {
  const server = await keep();
  expect(serversOf(folder)).toHaveLength(1);
  killServerOf(folder);
  await heardLast("died");
  await expect.poll(() => serversOf(folder), { interval: 5 }).toHaveLength(1); // the next one comes up
  await server.stop();
  expect(serversOf(folder)).toEqual([]);
  expect(heard).toEqual(["died"]);
}, 60_000);

test("a stop while another program has its port, and says nothing, comes to an end", async () => {
  const server = await keep();
  killServerOf(folder);
  const silent = await silentOn(Number(new URL(server.url).port));
  await heardLast("restart_failed");
  await server.stop();
  silent.close();
  expect(serversOf(folder)).toEqual([]);
}, 60_000);
