/**
 * Keeps unit tests pure: no socket, no process, no file written, no waiting by the machine's clock. Whatever tries is told
 * so. A test that needs one of them is called *.integration.test.ts; one that waits uses vi.useFakeTimers().
 */
import childProcess from "node:child_process";
import dgram from "node:dgram";
import dns from "node:dns";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import timersPromises from "node:timers/promises";

type Functions = Record<string, unknown>;

/** Replaces the functions of these names, and their promised and synchronous forms, by ones that throw. */
function refuse(of: object, names: readonly string[], what: string): void {
  for (const name of names.flatMap((each) => [each, `${each}Sync`])) {
    if (!(name in of)) continue;
    (of as Functions)[name] = () => {
      throw new Error(`A unit test ${what} (${name}): inject what it needs, or call the file *.integration.test.ts.`);
    };
  }
}

/** Reading stays allowed: some tests hold files of the repository against each other. */
function refuseWriting(of: object): void {
  const names = ["writeFile", "appendFile", "write", "mkdir", "mkdtemp", "rm", "rmdir", "unlink", "rename", "copyFile"];
  refuse(
    of,
    [...names, "cp", "symlink", "link", "chmod", "chown", "truncate", "createWriteStream"],
    "writes to the disk",
  );
}

refuse(net.Socket.prototype, ["connect"], "opens a connection");
refuse(net.Server.prototype, ["listen"], "listens on a socket");
refuse(dgram, ["createSocket"], "opens a socket");
refuse(dns, ["lookup", "resolve"], "asks for a name");
refuse(dns.promises, ["lookup", "resolve"], "asks for a name");
refuse(childProcess, ["spawn", "exec", "execFile", "fork"], "starts a process");
refuseWriting(fs);
refuseWriting(fs.promises);
refuse(timersPromises, ["setTimeout", "setInterval"], "waits by the real clock");
syncBuiltinESMExports();

/**
 * A timer may be set and cleared; one that comes to its end was waited for. One millisecond, the least that Node knows, is
 * a turn of the event loop.
 */
const { setTimeout: setRealTimeout } = globalThis;
globalThis.setTimeout = ((work: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
  if (delayMs <= 1) return setRealTimeout(work, delayMs, ...args);
  return setRealTimeout(() => {
    throw new Error(`A unit test waited ${delayMs} ms by the machine's clock: use vi.useFakeTimers().`);
  }, delayMs);
}) as typeof setTimeout;
