/** Backups, restores, and the command line for whoever is locked out: on real installations, through the shipped commands. */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { createPerson, startGatewayProcess, type GatewayProcess } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aFundedKey } from "./funded-key.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

const dist = fileURLToPath(new URL("../../dist/cli", import.meta.url));
const owner = { email: "owner@example.com", password: "password-of-owner" };
let root: string;
let upstream: SteadyUpstream;
const running = new Set<GatewayProcess>();

beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), "codex-gateway-recovery-"));
  upstream = await startSteadyUpstream({ pieceMs: 60 });
});
afterAll(async () => {
  await Promise.all([...running].map((gateway) => gateway.stop()));
  upstream.stop();
  rmSync(root, { recursive: true, force: true });
});

const folderOf = (name: string) => path.join(root, name);
const envOf = (name: string) =>
  gatewayEnv({
    DATA_FOLDER: folderOf(name),
    DATABASE_URL: "",
    SECRET_KEY_PREVIOUS: "",
  });

async function start(name: string): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess(envOf(name));
  running.add(gateway);
  return gateway;
}

async function stop(gateway: GatewayProcess): Promise<void> {
  expect(await gateway.stop()).toBe(0);
  running.delete(gateway);
}

type Ran = { code: number | null; said: string };

/** Runs one of the commands beside the gateway on an installation. */
async function run(name: string, command: string, args: string[] = [], input = ""): Promise<Ran> {
  const child = spawn(process.execPath, [path.join(dist, `${command}.js`), ...args], {
    env: { ...process.env, ...envOf(name) },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, said: out + err };
}

const call = (gateway: GatewayProcess, key: string, isStream = false) =>
  fetch(`${gateway.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: isStream, messages: [] }),
  });

const fileAt = (name: string) => path.join(root, name);
let key: string;

test("a backup made under load restores into an empty folder: calls under way settled, books sound, keys alive", async () => {
  const gateway = await start("first");
  key = await aFundedKey(gateway, upstream.url);
  let isLoading = true;
  const finished: string[] = [];
  const clients = Array.from({ length: 6 }, async () => {
    while (isLoading) {
      const response = await call(gateway, key, true);
      await response.text();
      finished.push(response.headers.get("x-request-id")!);
    }
  });
  while (finished.length < 12) await new Promise((resolve) => setTimeout(resolve, 20));
  const before = finished.slice();
  const backup = await run("first", "backup", [fileAt("all.sql.gz")]);
  isLoading = false;
  await Promise.all(clients);
  expect(backup).toEqual({ code: 0, said: expect.stringMatching(/1 users, \d+ charges/) as string });
  expect(existsSync(fileAt("all.sql.gz.unfinished"))).toBe(false);
  expect(gunzipSync(readFileSync(fileAt("all.sql.gz"))).includes("sk-upstream-key")).toBe(false);
  await stop(gateway);

  mkdirSync(folderOf("second"), { recursive: true });
  copyFileSync(path.join(folderOf("first"), "secret-key"), path.join(folderOf("second"), "secret-key"));
  const restore = await run("second", "restore", [fileAt("all.sql.gz")]);
  expect(restore.said).toMatch(/[1-9]\d* calls that were under way are settled/);
  expect(restore).toEqual({ code: 0, said: expect.stringContaining("Books verified") as string });

  const restored = await start("second");
  expect((await call(restored, key)).status).toBe(200);
  const person = createPerson(restored.web);
  await person.api.auth.login.mutate(owner);
  for (const id of before) {
    const charge = await fetch(`${restored.api}/charges/${id}`, { headers: { authorization: `Bearer ${key}` } });
    expect(charge.status).toBe(200);
  }
  await stop(restored);
  expect(await run("second", "verify")).toMatchObject({ code: 0 });
}, 90_000);

test("what is no whole backup of this gateway is refused in one sentence, and changes nothing", async () => {
  const whole = readFileSync(fileAt("all.sql.gz"));
  const sql = gunzipSync(whole);
  const files: [name: string, bytes: Buffer, says: RegExp][] = [
    ["cut.gz", whole.subarray(0, whole.length - 200), /damaged or cut off/],
    ["cut-at-line.gz", gzipSync(sql.subarray(0, sql.lastIndexOf("\n-- ") + 1)), /cut off: its last line is missing/],
    ["other.gz", gzipSync("SELECT 1;\n"), /no backup of Codex Gateway/],
    ["text.gz", Buffer.from("hello"), /no backup, or it is damaged/],
    [
      "newer.gz",
      gzipSync(
        Buffer.from(
          sql.toString("latin1").replace('"migrations":[', '"migrations":[{"name":"9999_future","checksum":"x"},'),
          "latin1",
        ),
      ),
      /9999_future, which this version does not know: it is newer/,
    ],
  ];
  mkdirSync(folderOf("third"), { recursive: true });
  copyFileSync(path.join(folderOf("first"), "secret-key"), path.join(folderOf("third"), "secret-key"));
  for (const [name, bytes, says] of files) {
    writeFileSync(fileAt(name), bytes);
    const { code, said } = await run("third", "restore", [fileAt(name)]);
    expect({ code, lines: said.trim().split("\n").length }, said).toEqual({ code: 1, lines: 1 });
    expect(said).toMatch(says);
  }
  expect((await run("third", "restore", [fileAt("nowhere.gz")])).said).toContain("There is no file");
  expect((await run("third", "restore")).said).toContain("Name the backup");
  expect((await run("second", "restore", [fileAt("all.sql.gz")])).said).toContain("holds data already");
  writeFileSync(path.join(folderOf("third"), "secret-key"), "another secret of thirty-two characters");
  expect((await run("third", "restore", [fileAt("all.sql.gz")])).said).toMatch(/needs the secret key \w+, and here is/);
  copyFileSync(path.join(folderOf("first"), "secret-key"), path.join(folderOf("third"), "secret-key"));
  expect((await run("third", "restore", [fileAt("all.sql.gz")])).said).toContain("Books verified");
}, 120_000);

test("the secret key is replaced: nothing stops working that is used before the old one is forgotten", async () => {
  const gateway = await start("first");
  expect((await run("first", "admin", ["rotate-secret-key"])).said).toContain("stop it first");
  await stop(gateway);
  // A process that was stopped gives its lease back, so there is nothing to wait for.
  expect(await run("first", "admin", ["rotate-secret-key"])).toEqual({
    code: 0,
    said: expect.stringContaining("values encrypted anew: 1") as string,
  });
  expect((await run("first", "admin", ["rotate-secret-key"])).said).toContain("is being replaced already");
  expect((await run("first", "admin", ["secret-key-status"])).said).toContain("1 API keys");
  const rotated = await start("first");
  expect((await call(rotated, key)).status).toBe(200);
  await stop(rotated);
  expect((await run("first", "admin", ["secret-key-status"])).said).toContain("0 API keys");
  expect((await run("first", "admin", ["forget-secret-key"])).code).toBe(0);
  const after = await start("first");
  expect((await call(after, key)).status).toBe(200);
  await stop(after);
}, 90_000);

test("who is locked out gets in by the command line: an owner, an upstream, a new password", async () => {
  const made = await run("fourth", "admin", ["create-owner", owner.email]);
  const [, password = ""] = /Password: (\S+)/.exec(made.said) ?? [];
  expect(made.code).toBe(0);
  const setUpstream = (...options: string[]) =>
    run("fourth", "admin", ["set-upstream", upstream.url, "--stdin", ...options], "sk-new-key-1234");
  expect(await setUpstream()).toEqual({
    code: 1,
    said: "Codex Gateway: The address must be public and start with https; --allow-private allows private ones.\n",
  });
  const set = await setUpstream("--allow-private");
  expect(set).toEqual({ code: 0, said: expect.stringContaining("ends in 1234") as string });

  const gateway = await start("fourth");
  const person = createPerson(gateway.web);
  await person.api.auth.login.mutate({ email: owner.email, password });
  expect((await person.api.auth.me.query())?.role).toBe("owner");
  // The commands reach the database of a gateway that runs.
  expect((await run("fourth", "admin", ["create-owner", "second@example.com"])).said).toContain("an owner already");
  expect((await run("fourth", "admin", ["setup-link"])).said).toContain("nothing to set up");
  const reset = await run("fourth", "admin", ["reset-password", owner.email, "--stdin"], "a password of my own\n");
  expect(reset.code).toBe(0);
  expect(reset.said).not.toContain("a password of my own");
  expect(await person.api.auth.me.query()).toBe(null);
  await person.api.auth.login.mutate({ email: owner.email, password: "a password of my own" });
  const { lines } = await person.api.admin.logs.list.query({});
  expect(lines.map(({ action }) => action)).toEqual(expect.arrayContaining(["create_owner", "reset_password"]));
  await stop(gateway);

  expect((await run("fourth", "admin", ["reset-password", "nobody@example.com"])).said).toContain(
    "Nobody is registered",
  );
  expect((await run("fourth", "admin", ["reset-password"])).said).toContain("needs EMAIL");
  expect(await run("fourth", "admin", ["--dance"])).toEqual({
    code: 1,
    said: "Codex Gateway: Unknown option '--dance'; npm run admin -- --help lists what there is.\n",
  });
  expect(await run("fourth", "admin", ["dance"])).toEqual({
    code: 1,
    said: expect.stringMatching(/^Codex Gateway: Unknown command dance; there are create-owner, [^\n]+\.\n$/) as string,
  });
}, 60_000);
