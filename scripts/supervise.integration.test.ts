import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

type RotateLog = { keepLogWithin: (file: string, limits?: { maxFileBytes: number; kept: number }) => void };
const rotateLog = new URL("./deploy/rotate-log.mjs", import.meta.url).href;
const { keepLogWithin } = (await import(rotateLog)) as RotateLog;

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-supervise-"));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const pid of started()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
  rmSync(folder, { recursive: true, force: true });
});

const inFolder = (name: string) => path.join(folder, name);
const read = (name: string) => {
  try {
    return readFileSync(inFolder(name), "utf8");
  } catch {
    return "";
  }
};
const started = () => read("pids").split("\n").filter(Boolean).map(Number);

/** Watches over a program of these lines, which may call `up()`. */
function watch(program: string) {
  const note = `import { appendFileSync } from "node:fs";
    const up = () => process.send("up");
    appendFileSync(${JSON.stringify(inFolder("pids"))}, process.pid + "\\n");
    appendFileSync(${JSON.stringify(inFolder("previous"))}, (process.env.GATEWAY_PREVIOUS_EXIT ?? "none") + "\\n");
    const starts = ${JSON.stringify(inFolder("pids"))};`;
  writeFileSync(inFolder("program.mjs"), `${note}\n${program}`);
  const supervise = JSON.stringify(new URL("./supervise.mjs", import.meta.url).href);
  const watcher = `import { supervise } from ${supervise};
    process.exit(await supervise(process.execPath, [${JSON.stringify(inFolder("program.mjs"))}]));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", watcher], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended, said: () => said };
}

const serves = "up(); setInterval(() => {}, 1_000);";
const isStarted = (times: number) => expect.poll(() => started().length, { timeout: 15_000 }).toBe(times);

test("what is killed is started again, and told how the one before ended", async () => {
  const { said } = watch(serves);
  await isStarted(1);
  // It must have been up: what it is told of that comes after it has noted its number.
  await new Promise((resolve) => setTimeout(resolve, 300));
  process.kill(started()[0]!, "SIGKILL");
  await isStarted(2);
  await expect.poll(() => read("previous")).toBe("none\nSIGKILL\n");
  expect(said()).toContain("The gateway died (SIGKILL); it is started again at once.\n");
});

test("a first start that fails is not repeated, and its exit code is handed on", async () => {
  const { ended, said } = watch("process.exit(3);");
  expect([await ended, said(), started().length]).toEqual([3, "", 1]);
});

test("what always dies after it was up is started again with growing pauses", async () => {
  const { said } = watch("up(); setTimeout(() => process.exit(70), 100);");
  await isStarted(3);
  await expect.poll(said, { timeout: 15_000 }).toMatch(/at once\.\n[^]*in 1 s\.\n[^]*in 2 s\.\n/);
  expect(said()).toContain("The gateway died (exit code 70)");
}, 30_000);

test("what would fail in the same way again is given up in one sentence", async () => {
  const { ended, said } = watch(
    "up(); setTimeout(() => process.exit(process.env.GATEWAY_PREVIOUS_EXIT ? 78 : 1), 100);",
  );
  expect(await ended).toBe(78);
  expect(said().trim().split("\n").at(-1)).toBe(
    "It is not started again: it would fail in the same way until the configuration is mended.",
  );
});

test("an end by its own decision is ours", async () => {
  const { ended, said } = watch("up(); setTimeout(() => process.exit(0), 100);");
  expect([await ended, said(), started().length]).toEqual([0, "", 1]);
});

test("one that was told to stop by others is not started again, whatever its exit code", async () => {
  const { ended } = watch(
    'up(); process.on("SIGTERM", () => process.send("stopping", () => process.exit(1)));' + serves,
  );
  await isStarted(1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  process.kill(started()[0]!, "SIGTERM");
  expect([await ended, started().length]).toEqual([1, 1]);
});

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`${signal} reaches it, and its end is waited for`, async () => {
    const { child, ended } = watch(`process.on("${signal}", () => setTimeout(() => process.exit(4), 300)); ${serves}`);
    await isStarted(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill(signal);
    expect([await ended, started().length]).toEqual([4, 1]);
  });
}

test("a stop during a pause ends it", async () => {
  const { child, ended, said } = watch("up(); setTimeout(() => process.exit(70), 100);");
  await expect.poll(said, { timeout: 15_000 }).toContain("in 2 s");
  child.kill("SIGTERM");
  expect(await ended).toBe(1);
}, 30_000);

test("what is watched lives on where its watcher is killed", async () => {
  const { child } = watch(serves);
  await isStarted(1);
  child.kill("SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(() => process.kill(started()[0]!, 0)).not.toThrow();
});

test("a log that is full is set aside, so many times, and whoever writes to it goes on", () => {
  const log = inFolder("gateway.log");
  for (let n = 1; n <= 5; n++) {
    appendFileSync(log, `${n}`.repeat(20));
    chmodSync(log, 0o644);
    keepLogWithin(log, { maxFileBytes: 10, kept: 3 });
    expect(read("gateway.log")).toBe("");
  }
  appendFileSync(log, "short");
  keepLogWithin(log, { maxFileBytes: 10, kept: 3 });
  expect(read("gateway.log")).toBe("short");
  expect([1, 2, 3, 4].map((n) => read(`gateway.log.${n}`)[0])).toEqual(["5", "4", "3", undefined]);
  expect(statSync(`${log}.1`).mode & 0o777).toBe(0o600);
  keepLogWithin(inFolder("none.log"));
});
