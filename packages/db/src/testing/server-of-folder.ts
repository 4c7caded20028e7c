/** The embedded server of a data folder as seen from outside, for tests of what becomes of it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import path from "node:path";

const pidFileOf = (folder: string) => path.join(folder, "postgres/postmaster.pid");

/** Whether it says that it runs. */
export const hasServer = (folder: string): boolean => existsSync(pidFileOf(folder));

export const serverPidOf = (folder: string): number => Number(readFileSync(pidFileOf(folder), "utf8").split("\n")[0]);

export const killServerOf = (folder: string): boolean => process.kill(serverPidOf(folder), "SIGKILL");

/** Process ids of all servers that have their data in the folder, whatever it says itself. */
export function serversOf(folder: string): number[] {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((line) => line.includes(`-D ${folder}/`)).map((line) => Number.parseInt(line, 10));
}

/** Takes a port as soon as it is free, and answers nobody. */
export async function silentOn(port: number): Promise<Server> {
  for (;;) {
    const server = createServer((socket) => socket.unref());
    const isUp = await new Promise((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isUp) return server;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
