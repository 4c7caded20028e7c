/** A home of the real Codex CLI, set up for a gateway as a user of it would. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

const codex = createRequire(import.meta.url).resolve("@openai/codex/bin/codex.js");

export type CodexRun = { output: string; errors: string; exitCode: number | null; tookMs: number };

export function createCodexHome(baseUrl: string) {
  const folder = mkdtempSync(path.join(tmpdir(), "codex-home-"));
  return {
    folder,
    /** `more` stands in the provider's part. */
    configure: ({ model = "gpt-4o-mini", more = "" } = {}) =>
      writeFileSync(
        path.join(folder, "config.toml"),
        `model = "${model}"
model_provider = "gateway"

[model_providers.gateway]
name = "Codex Gateway"
base_url = "${baseUrl}"
env_key = "CODEX_GATEWAY_KEY"
wire_api = "responses"
${more}`,
      ),
    /** Runs `codex exec` to its end. */
    exec: (prompt: string, key: string, options: string[] = []): Promise<CodexRun> => {
      const startedAtMs = performance.now();
      const child = spawn(process.execPath, [codex, "exec", "--skip-git-repo-check", ...options, prompt], {
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          HOME: folder,
          CODEX_HOME: folder,
          CODEX_GATEWAY_KEY: key,
          NODE_ENV: "production",
        },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [output, errors] = ["", ""];
      child.stdout.on("data", (text: Buffer) => (output += text.toString()));
      child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
      return new Promise((resolve) =>
        child.on("close", (exitCode) => resolve({ output, errors, exitCode, tookMs: performance.now() - startedAtMs })),
      );
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
