/** The gateway is told to stop while its embedded PostgreSQL is not up: it ends in order, and leaves no server behind. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { hasServer, killServerOf, serversOf, silentOn } from "@codex-gateway/db/testing";
import { startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gatewayEnv } from "./gateway-env.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-stop-"));
});
afterEach(() => {
  for (const pid of serversOf(folder)) process.kill(pid, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const envOf = () =>
  gatewayEnv({
    DATA_FOLDER: folder,
    DATABASE_URL: "",
  });
const isHeard = (gateway: GatewayProcess, event: string) =>
  expect.poll(() => gateway.output().includes(event), { timeout: 45_000, interval: 10 }).toBe(true);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} while the database is started again`, async () => {
    const gateway = await startGatewayProcess(envOf());
    expect(serversOf(folder)).toHaveLength(1);
    killServerOf(folder);
    await isHeard(gateway, "database_died");
    expect(await gateway.stop(signal)).toBe(0);
    expect(gateway.output()).toContain("Stopped; 0 calls unsettled.");
    expect(serversOf(folder)).toEqual([]);
  }, 90_000);
}

test("SIGTERM while the database cannot be started again", async () => {
  const gateway = await startGatewayProcess(envOf());
  const { port } = new URL(readFileSync(path.join(folder, "database-url"), "utf8"));
  killServerOf(folder);
  const silent = await silentOn(Number(port));
  await isHeard(gateway, "database_restart_failed");
  expect(await gateway.stop()).toBe(0);
  silent.close();
  expect(serversOf(folder)).toEqual([]);
}, 90_000);

test("SIGTERM while the gateway starts for the first time", async () => {
  const main = fileURLToPath(new URL("../../dist/boot/main.js", import.meta.url));
  const child = spawn(process.execPath, [main], { env: { ...process.env, ...envOf() }, stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("close", resolve));
  await expect.poll(() => hasServer(folder), { timeout: 30_000 }).toBe(true);
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
  expect(serversOf(folder)).toEqual([]);
}, 90_000);
