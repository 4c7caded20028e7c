import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

let demo: RunningDemo;
let home: string;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  home = mkdtempSync(path.join(tmpdir(), "codex-home-"));
});
afterAll(async () => {
  await demo.stop();
  rmSync(home, { recursive: true, force: true });
});

const codex = createRequire(import.meta.url).resolve("@openai/codex/bin/codex.js");

function runCodex(prompt: string): Promise<{ output: string; errors: string; exitCode: number | null }> {
  const child = spawn(process.execPath, [codex, "exec", "--skip-git-repo-check", prompt], {
    cwd: home,
    env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: home, GATEWAY_KEY: demo.apiKey, NODE_ENV: "production" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  return new Promise((resolve) => child.on("close", (exitCode) => resolve({ output, errors, exitCode })));
}

test("codex exec prints the model's answer, and its cached tokens are charged as such", async () => {
  const config = `model = "gpt-5"
model_provider = "gateway"

[model_providers.gateway]
name = "Codex Gateway"
base_url = "${demo.api}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
`;
  writeFileSync(path.join(home, "config.toml"), config);
  const { output, errors, exitCode } = await runCodex("Say hello");
  expect({ output, errors, exitCode }).toMatchObject({
    output: expect.stringContaining("Hello from the fake model."),
    exitCode: 0,
  });
  const charges = await withDatabase(demo, (db) => db.prisma.charge.findMany({ where: { endpoint: "responses" } }));
  expect(charges[0]).toMatchObject({
    basis: "exact",
    usage: { input: 8, cached_input: 4, output: 5 },
    // 8 × 1.25 + 4 × 0.125 + 5 × 10 USD per million
    costNanoUsd: 60_500n,
  });
  expect(await breachesOf(demo)).toEqual([]);
}, 120_000);
