import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findDeadProcesses, forgetProcess, isDead, markProcess, ownMark, type ProcessMark } from "./process-marks.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-marks-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Of a process that has ended. */
async function aDeadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "0"]);
  await new Promise((resolve) => child.once("exit", resolve));
  return child.pid!;
}

test("a process that lives is not found, nor one that has taken its mark away", () => {
  const unmark = markProcess(folder, "mine");
  expect(findDeadProcesses(folder)).toEqual([]);
  unmark();
  expect(findDeadProcesses(folder)).toEqual([]);
});

test("one that has died is found until it is forgotten", async () => {
  const mark = { ...ownMark(), pid: await aDeadPid() };
  markProcess(folder, "mine");
  writeFileSync(path.join(folder, "processes/dead.json"), JSON.stringify(mark));
  expect(findDeadProcesses(folder)).toEqual(["dead"]);
  forgetProcess(folder, "dead");
  expect(findDeadProcesses(folder)).toEqual([]);
});

test("what is no mark, or the folder's absence, is nobody's death", () => {
  expect(findDeadProcesses(folder)).toEqual([]);
  markProcess(folder, "mine");
  for (const text of ["", "{", "null", '{"pid":-1}']) {
    writeFileSync(path.join(folder, "processes/odd.json"), text);
    expect(findDeadProcesses(folder)).toEqual([]);
  }
});

const here: ProcessMark = {
  pid: process.pid,
  startedAt: ownMark().startedAt,
  boot: "boot",
  pidNamespace: "pid:[1]",
  container: null,
  host: "host",
};
const inContainer = { ...here, container: "c".repeat(64) };

test.skipIf(process.platform !== "linux").each<[what: string, mark: ProcessMark, own: ProcessMark, isIt: boolean]>([
  ["lives", here, here, false],
  ["has left its number to another process", { ...here, startedAt: "1" }, here, true],
  ["may run on another machine", { ...here, startedAt: "1", host: "another" }, here, false],
  ["may run on another machine of the same name", { ...here, startedAt: "1", boot: "another" }, here, false],
  ["has another list of processes", { ...here, startedAt: "1", pidNamespace: "pid:[2]" }, here, false],
  ["runs in another container", { ...inContainer, startedAt: "1", container: "d".repeat(64) }, inContainer, false],
  ["runs in a container, seen from outside", { ...inContainer, startedAt: "1" }, here, false],
  ["was in this container before it was started again", { ...inContainer, pidNamespace: "pid:[2]" }, inContainer, true],
  ["was in this container before the machine was", { ...inContainer, boot: "another" }, inContainer, true],
  ["lives in this container", inContainer, inContainer, false],
])("a process that %s", (_what, mark, own, isIt) => {
  expect(isDead(mark, own)).toBe(isIt);
});
