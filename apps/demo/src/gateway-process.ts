/** The built gateway as a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

export type GatewayProcess = {
  web: string;
  /** Ends in /v1. */
  api: string;
  setupToken: string | null;
  child: ChildProcess;
  output(): string;
  /** Sends the signal and waits for the end; answers with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

const main = fileURLToPath(new URL("../../web/dist/boot/main.js", import.meta.url));
const greeting = /Pages +(\S+)\n +API +(\S+)\n/;

/** @throws Error with what it printed where it ends before it runs */
export function startGatewayProcess(env: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  // As `npm start` runs it.
  const child = spawn(process.execPath, ["--enable-source-maps", "--max-semi-space-size=32", main], {
    env: { ...process.env, NODE_ENV: "production", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return new Promise((resolve, reject) => {
    const take = (text: Buffer) => {
      output += text.toString();
      const [, web, api] = greeting.exec(output) ?? [];
      if (!web || !api || !output.includes("Press Ctrl-C")) return;
      const setupToken = /setup\?token=(\S+)/.exec(output)?.[1] ?? null;
      const stop = (signal: NodeJS.Signals = "SIGTERM") => {
        child.kill(signal);
        return ended;
      };
      resolve({ web, api, setupToken, child, output: () => output, stop });
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    ended.then(() => reject(new Error(output.trim())), reject);
  });
}
