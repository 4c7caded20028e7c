/** npm run dev on a clone of its own: the printed links, a changed page, a changed rule, a broken file, one Ctrl-C. */
import { execFile, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { cloneForDeployment } from "./deploy-clone.ts";
import { freePort } from "./free-port.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
let folder: string;
let clone: string;
let web: string;
let dev: ChildProcess;
let said = "";
let browser: Browser | undefined;

/** As a fresh clone needs it, with what the package manager has at hand. */
const startMs = 300_000;
/** Well above what was measured (docs/development.md): the machine has other work. */
const shown = { timeout: 20_000, interval: 50 };

let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  ({ folder, clone } = cloneForDeployment());
  const [port, apiPort, upstreamPort] = [await freePort(), await freePort(), await freePort()].map(String);
  web = `http://127.0.0.1:${port}`;
  const ports = { PORT: port, API_PORT: apiPort, UPSTREAM_PORT: upstreamPort };
  env = { ...process.env, ...ports, NODE_ENV: "", VITEST: "" };
  await startDev();
  browser = await launchBrowser();
}, startMs);

/** As in a terminal: in a process group of its own, which Ctrl-C reaches as a whole. */
async function startDev(): Promise<void> {
  said = "";
  dev = spawn("npm", ["run", "dev"], { cwd: clone, detached: true, env });
  for (const stream of [dev.stdout, dev.stderr]) stream?.on("data", (text: Buffer) => (said += text.toString()));
  await Promise.race([
    once(dev, "exit").then(() => Promise.reject(new Error(said))),
    vi.waitFor(() => expect(said).toContain("Each link logs in once"), { timeout: startMs, interval: 100 }),
  ]);
}

/** Ends it by a signal to the whole group; nothing may be left of it. */
async function endDev(signal: NodeJS.Signals): Promise<void> {
  const exited = once(dev, "exit");
  if (dev.pid) process.kill(-dev.pid, signal);
  await exited;
  await expect.poll(() => existsSync(path.join(clone, "data/dev/postgres/postmaster.pid")), shown).toBe(false);
  expect(await refusalOfLogIn()).toBe("no answer");
}

afterAll(async () => {
  if (dev.exitCode === null && dev.signalCode === null && dev.pid) process.kill(-dev.pid, "SIGINT");
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const linkOf = (who: "Owner" | "User") => new RegExp(`${who} +(\\S+/dev/login\\S+)`).exec(said)?.[1] ?? "";

/** Changes a file of the clone, as an editor would. */
function edit(file: string, from: string, to: string): void {
  const text = readFileSync(path.join(clone, file), "utf8");
  expect(text).toContain(from);
  writeFileSync(path.join(clone, file), text.replace(from, to));
}

async function openAs(who: "Owner" | "User"): Promise<Page> {
  const page = await (await browser!.newContext({ locale: "en-US" })).newPage();
  await page.goto(linkOf(who));
  return page;
}

/** Presents credentials that are nobody's; returns the sentence that they are refused with. */
async function refusalOfLogIn(): Promise<string> {
  const body = JSON.stringify({ email: "nobody@example.com", password: "wrong-password" });
  const init = { method: "POST", body, headers: { "content-type": "application/json" } };
  const response = await fetch(`${web}/api/auth/token`, init).catch(() => null);
  return response ? ((await response.json()) as { error: { message: string } }).error.message : "no answer";
}

test("nothing of it is in what is built", () => {
  for (const built of ["apps/web/dist", "apps/web/build", "apps/demo/dist"]) {
    const files = readdirSync(path.join(root, built), { recursive: true, withFileTypes: true });
    const texts = files.filter((each) => each.isFile()).map(({ parentPath, name }) => path.join(parentPath, name));
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.filter((file) => /\/dev\//.test(file) || readFileSync(file, "utf8").includes("/dev/login"))).toEqual(
      [],
    );
  }
});

test("it does not run in production", () => {
  const production = { cwd: clone, env: { ...env, NODE_ENV: "production" } };
  const { status, stderr } = spawnSync(process.execPath, ["apps/demo/src/dev/main.mjs"], production);
  expect([status, stderr.toString()]).toEqual([1, expect.stringContaining("NODE_ENV=production")]);
});

test("each printed link logs one of the two in, once", async () => {
  const owner = await openAs("Owner");
  expect(new URL(owner.url()).pathname).toBe("/admin");
  const user = await openAs("User");
  expect(new URL(user.url()).pathname).toBe("/dashboard");
  expect((await fetch(linkOf("User"))).status).toBe(410);
});

test("the key that was printed is answered by the fake upstream", async () => {
  const [, api] = /API +(http\S+)/.exec(said) ?? [];
  const [, key] = /API key +(\S+)/.exec(said) ?? [];
  const answer = await fetch(`${api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] }),
  });
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain("Hello from the fake model.");
});

test("a changed page shows in the open browser, which keeps what was typed", async () => {
  const page = await (await browser!.newContext({ locale: "en-US" })).newPage();
  await page.goto(`${web}/login`);
  // Vite may find dependencies on the first visit, and load the page anew once.
  await page.waitForLoadState("networkidle");
  await page.locator("input[name=email]").fill("half-typed");
  edit("apps/web/app/routes/login.tsx", "{t.login.submit}", "{t.login.submit} at once");
  await page.getByRole("button", { name: "at once" }).waitFor({ timeout: shown.timeout });
  expect(await page.locator("input[name=email]").inputValue()).toBe("half-typed");
  // And so it is rendered on the server.
  expect(await (await fetch(`${web}/login`)).text()).toContain("at once");
});

test("a changed rule holds after a restart of the server, which the database outlives", async () => {
  const databaseUrl = readFileSync(path.join(clone, "data/dev/database-url"), "utf8");
  edit("packages/domain/src/identity/login.ts", "The e-mail address or the password is wrong.", "That is nobody.");
  await expect.poll(refusalOfLogIn, shown).toBe("That is nobody.");
  expect(readFileSync(path.join(clone, "data/dev/database-url"), "utf8")).toBe(databaseUrl);
});

test("a server that cannot be read leaves the one that runs, and says where it is broken", async () => {
  const whole = "return refuseToken(405";
  edit("apps/web/server/http/token-answer.ts", whole, "return return");
  await expect.poll(() => said, shown).toContain("The next change tries again.");
  expect(said).toContain("token-answer.ts");
  expect(await refusalOfLogIn()).toBe("That is nobody.");
  edit("apps/web/server/http/token-answer.ts", "return return", whole);
  await expect.poll(() => said, shown).toMatch(/Restarted in \d+ ms \(apps\/web\/server\/http\/token-answer\.ts/);
});

test("one Ctrl-C ends all of it", () => endDev("SIGINT"));

test(
  "the next start has the same people and the same key, and SIGTERM ends all of it too",
  { timeout: startMs },
  async () => {
    const key = /API key +(\S+)/;
    const [, before] = key.exec(said) ?? [];
    await startDev();
    expect(key.exec(said)?.[1]).toBe(before);
    expect(new URL((await openAs("Owner")).url()).pathname).toBe("/admin");
    await endDev("SIGTERM");
  },
);

test("a taken port is one sentence", async () => {
  const taken = createServer().listen(Number(env.UPSTREAM_PORT), "127.0.0.1");
  await once(taken, "listening");
  const run = promisify(execFile)(process.execPath, ["apps/demo/src/dev/main.mjs"], { cwd: clone, env });
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("set UPSTREAM_PORT to a free") });
  taken.close();
});
