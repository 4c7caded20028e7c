/** The programs that a benchmark starts beside itself. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

type Started = { port: number; pid: number };

export type Children = {
  /** Starts a program of this folder; resolves when it has said its port. */
  start(name: string, ...args: string[]): Promise<Started>;
  /** Starts any program; says nothing of when it is up. */
  spawn(args: readonly string[], env?: Record<string, string>): ChildProcess;
  stop: () => void;
};

export function createChildren(): Children {
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  process.once("exit", stop);
  const start = (args: readonly string[], env: Record<string, string>, output: "pipe" | "ignore") => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", output, output === "pipe" ? "inherit" : "ignore"],
      env: { ...process.env, ...env },
    });
    children.push(child);
    return child;
  };
  return {
    start: (name, ...args) => {
      const child = start([fileURLToPath(new URL(`./${name}.js`, import.meta.url)), ...args], {}, "pipe");
      return new Promise((resolve, reject) => {
        child.stdout?.on("data", (text: Buffer) => {
          const port = /PORT (\d+)/.exec(text.toString())?.[1];
          if (port) resolve({ port: Number(port), pid: child.pid ?? 0 });
        });
        child.once("exit", () => reject(new Error(`${name} ended.`)));
      });
    },
    spawn: (args, env = {}) => start(args, env, "ignore"),
    stop,
  };
}
