import { execFileSync } from "node:child_process";
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { createLogger } from "./log.ts";

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

function aFile(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-log-"));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  return path.join(folder, "log");
}

function open(file: string, flags: string): number {
  const fd = openSync(file, flags);
  closers.push(() => closeSync(fd));
  return fd;
}

test("a line is an object without secrets", () => {
  const file = aFile();
  const { log, flush } = createLogger({ LOG_LEVEL: "info" }, open(file, "a"));
  log("info", "started", { port: 1, password: "secret" });
  log("debug", "not_wanted", {});
  flush();
  const lines = readFileSync(file, "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { level: "info", event: "started", port: 1, password: "***" },
  ]);
});

test.skipIf(process.platform !== "linux")("a full disk costs lines, and nothing else", async () => {
  const { log, flush } = createLogger({ LOG_LEVEL: "info" }, open("/dev/full", "w"));
  for (let n = 0; n < 100; n++) log("info", "call", { n });
  await sleep(200);
  for (let n = 0; n < 100; n++) log("info", "call", { n });
  flush();
});

test.skipIf(process.platform === "win32")(
  "a pipe that nobody reads holds nobody up, and lost lines are told",
  { timeout: 30_000 },
  async () => {
    const pipe = aFile();
    execFileSync("mkfifo", [pipe]);
    const reader = open(pipe, "r+");
    const { log } = createLogger({ LOG_LEVEL: "info" }, open(pipe, "w"));
    const padding = "x".repeat(10_000);
    for (let n = 0; n < 1_000; n++) log("info", "call", { n, padding });
    await sleep(100);
    const handle = createReadStream("", { fd: reader, autoClose: false });
    let said = "";
    handle.on("data", (text) => (said = said.slice(-1_000) + text.toString()));
    await expect.poll(() => said, { timeout: 20_000 }).toMatch(/"event":"log_lines_lost"/);
    handle.destroy();
  },
);
