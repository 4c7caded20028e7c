/** Another revision of this repository, checked out, installed and built in a folder of its own. */
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../..", import.meta.url));
const maxOutputBytes = 64 * 1024 * 1024;

export type Revision = {
  /** Its commit, shortened. */
  commit: string;
  folder: string;
  remove(): Promise<void>;
};

async function git(...args: string[]): Promise<string> {
  const { stdout } = await run("git", ["-C", repository, ...args]);
  return stdout.trim();
}

/** @throws Error with one sentence where there is no such revision, or it cannot be built */
export async function buildRevision(revision: string, say: (line: string) => void): Promise<Revision> {
  const commit = await git("rev-parse", "--short=12", "--verify", "--end-of-options", `${revision}^{commit}`).catch(
    () => {
      throw new Error(`"${revision}" is no revision of this repository.`);
    },
  );
  const parent = mkdtempSync(path.join(tmpdir(), "codex-gateway-against-"));
  // As root the database runs as another user, who must get to its programs.
  chmodSync(parent, 0o755);
  const folder = path.join(parent, commit);
  const removeFolder = () => rmSync(parent, { recursive: true, force: true });
  // Whoever stops the benchmark waits for nothing; what git still knows of the folder goes with the next one.
  process.once("exit", removeFolder);
  const remove = async () => {
    removeFolder();
    await git("worktree", "prune");
  };
  try {
    await git("worktree", "add", "--detach", folder, commit);
    const { packageManager } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as {
      packageManager: string;
    };
    const demo = "@codex-gateway/demo...";
    const pnpm = (...args: string[]) =>
      run("npx", ["--yes", packageManager, ...args], { cwd: folder, maxBuffer: maxOutputBytes });
    say(`Installing ${commit} …`);
    await pnpm("install", "--frozen-lockfile", "--prefer-offline", "--filter", "codex-gateway", "--filter", demo);
    say(`Building ${commit} …`);
    await pnpm("exec", "turbo", "run", "build", "--filter", demo, "--output-logs", "errors-only");
    return { commit, folder, remove };
  } catch (error) {
    await remove();
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`${commit} could not be built: ${`${stdout}${stderr}`.trim().split("\n").at(-1) || message}`, {
      cause: error,
    });
  }
}
