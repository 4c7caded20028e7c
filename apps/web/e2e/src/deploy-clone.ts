/** A clone of what lies in the working tree, and a run of its deploy-auto.sh as from a terminal. */
import { execFileSync, spawn, type SpawnOptions } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export type Run = { said: string; complaint: string; exitCode: number | null };
export type RunOptions = Pick<SpawnOptions, "uid"> & {
  /** Another one than deploy-auto.sh. */
  script?: string;
  env?: Record<string, string>;
  /** Ctrl-C, a second after this was said. */
  interruptAt?: string;
  /** SIGTERM to the script's own process alone, likewise. */
  endAt?: string;
};

const root = fileURLToPath(new URL("../../../..", import.meta.url));

/** `folder` is to be removed by whoever asked; the clone lies in it. */
export function cloneForDeployment(): { folder: string; clone: string } {
  const folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-deploy-"));
  const clone = path.join(folder, "clone");
  chmodSync(folder, 0o755);
  for (const file of git("ls-files", "-co", "--exclude-standard").split("\n")) {
    if (existsSync(path.join(root, file))) cpSync(path.join(root, file), path.join(clone, file));
  }
  return { folder, clone };
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}

/** Runs the script where no engine answers, in a process group of its own, as a terminal would. */
export function runDeployment(
  clone: string,
  args: string[],
  { script = "deploy-auto.sh", env = {}, uid, interruptAt, endAt }: RunOptions = {},
): Promise<Run> {
  const ours = ["PORT", "API_PORT", "DATABASE_URL", "DATA_FOLDER", "SECRET_KEY", "PUBLIC_URL", "NODE_ENV", "LANG"];
  const inherited = Object.entries(process.env).filter(
    ([name]) => !ours.includes(name) && !/^(COMPOSE|VITE)/.test(name),
  );
  const child = spawn("/bin/bash", [path.join(clone, script), ...args], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...Object.fromEntries(inherited),
      DOCKER_HOST: `unix://${clone}/no-engine.sock`,
      // What was built before is not built again.
      TURBO_CACHE_DIR: path.resolve(root, git("rev-parse", "--git-common-dir"), "../.turbo/cache"),
      ...env,
    },
    ...(uid === undefined ? {} : { uid }),
  });
  const run: Run = { said: "", complaint: "", exitCode: null };
  const endWord = interruptAt ?? endAt;
  let isEnding = false;
  child.stdout.on("data", (text: Buffer) => {
    run.said += text.toString();
    if (isEnding || !endWord || !run.said.includes(endWord)) return;
    isEnding = true;
    setTimeout(() => (interruptAt && child.pid ? process.kill(-child.pid, "SIGINT") : child.kill()), 1_000);
  });
  child.stderr.on("data", (text: Buffer) => (run.complaint += text.toString()));
  return new Promise((resolve) => child.on("close", (exitCode) => resolve({ ...run, exitCode })));
}
