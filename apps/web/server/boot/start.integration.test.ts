import { execFile, spawn } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../dist/boot/main.js", import.meta.url));
const admin = fileURLToPath(new URL("../../dist/cli/admin.js", import.meta.url));
let dataFolder: string;
beforeEach(() => void (dataFolder = mkdtempSync(path.join(tmpdir(), "codex-gateway-start-"))));
afterEach(() => rmSync(dataFolder, { recursive: true, force: true }));

/** Runs the built server until it prints `until`, does `then`, sends `signal`, and gives back all that came of it. */
async function run(
  env: Record<string, string>,
  { until = "Press Ctrl-C", signal = "SIGINT" as const, then = async (_output: string) => {} } = {},
): Promise<{ output: string; exitCode: number | null }> {
  const child = spawn(process.execPath, [main], {
    env: {
      NODE_ENV: "production",
      PATH: process.env.PATH,
      PORT: "0",
      API_PORT: "0",
      HOST: "127.0.0.1",
      DATA_FOLDER: dataFolder,
      ...env,
    },
  });
  let output = "";
  let isUp = false;
  const take = (text: Buffer) => {
    output += text.toString();
    if (isUp || !output.includes(until)) return;
    isUp = true;
    void then(output).finally(() => child.kill(signal));
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const exitCode = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { output, exitCode };
}

const apiOf = (output: string) => /API {4}(\S+)\/v1/.exec(output)![1]!;

test("it starts on nothing, answers, and a signal stops all that it started", async () => {
  const statuses: number[] = [];
  const { output, exitCode } = await run(
    {},
    {
      then: async (said) => {
        for (const where of ["/healthz", "/readyz", "/v1/unknown"])
          statuses.push((await fetch(apiOf(said) + where)).status);
      },
    },
  );
  expect({ statuses, exitCode }).toEqual({ statuses: [200, 200, 404], exitCode: 0 });
  expect(output).toContain("Stopping");
  expect(existsSync(path.join(dataFolder, "postgres/postmaster.pid"))).toBe(false);
});

test("the link to the wizard is told once more by the command line, with the port that the gateway has", async () => {
  let once = "";
  let again = "";
  await run(
    {},
    {
      then: async (said) => {
        once = /http\S+setup\?token=\S+/.exec(said)![0];
        const { stdout } = await promisify(execFile)(process.execPath, [admin, "setup-link"], {
          env: { NODE_ENV: "production", PATH: process.env.PATH, DATA_FOLDER: dataFolder },
        });
        again = stdout.trim();
      },
    },
  );
  expect(again).toBe(once);
});

const refusals: [why: string, env: Record<string, string>, sentence: RegExp, code: number][] = [
  [
    "an unreachable database",
    { DATABASE_URL: "postgresql://u:secret@127.0.0.1:1/x" },
    /The database at 127.0.0.1:1 cannot/,
    1,
  ],
  ["a bad environment", { PORT: "many" }, /The environment is not usable: PORT/, 78],
  ["a proxy that is no address", { TRUSTED_PROXIES: "the-proxy" }, /TRUSTED_PROXIES names the-proxy/, 78],
];

test.each(refusals)("%s is one sentence and a non-zero exit", async (_why, env, sentence, code) => {
  const { output, exitCode } = await run(env);
  expect(output.trim().split("\n")).toHaveLength(1);
  expect(output).toMatch(sentence);
  expect(output).not.toContain("secret");
  expect(exitCode).toBe(code);
});

test("a taken port is one sentence, a non-zero exit, and no database left running", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  const { output, exitCode } = await run({ PORT: String(port) });
  taken.close();
  // The machine may allow fewer open files than the gateway would like: that is told, and is no error.
  const lines = output
    .trim()
    .split("\n")
    .filter((line) => !line.includes("open_files_low"));
  expect(lines).toEqual([`Codex Gateway: Port ${port} is taken by another program; set PORT to a free one.`]);
  expect(exitCode).toBe(1);
  expect(existsSync(path.join(dataFolder, "postgres/postmaster.pid"))).toBe(false);
});

test("a second gateway on the same data folder is refused, and the first one runs on", async () => {
  let second = { output: "", exitCode: null as number | null };
  let status = 0;
  const first = await run(
    {},
    {
      then: async (said) => {
        second = await run({});
        status = (await fetch(`${apiOf(said)}/readyz`)).status;
      },
    },
  );
  expect(second.output).toMatch(/^Codex Gateway: Another gateway \(process \d+\) already runs on [^\n]+\.\n$/);
  expect([second.exitCode, status, first.exitCode]).toEqual([1, 200, 0]);
});
