/** deploy-auto.sh without Docker, on a clone of its own: what is in its way, an interrupted run, the deployment, the update. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { openDatabase, type Database } from "@codex-gateway/db";
import { createPerson } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneForDeployment, runDeployment, type RunOptions } from "./deploy-clone.ts";
import { freePort } from "./free-port.ts";
import { aFundedKey } from "./funded-key.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

const isRoot = process.getuid?.() === 0;
let folder: string;
let clone: string;
let ports: { web: number; api: number };
let upstream: SteadyUpstream;
let key: string;

beforeAll(async () => {
  ({ folder, clone } = cloneForDeployment());
  ports = { web: await freePort(), api: await freePort() };
  upstream = await startSteadyUpstream({ pieceMs: 60_000 });
});
afterAll(async () => {
  await deploy(["--down"]);
  upstream.stop();
  rmSync(folder, { recursive: true, force: true });
});

const deploy = (args: string[], options?: RunOptions) => runDeployment(clone, args, options);
const withPorts = () => ["--port", String(ports.web), "--api-port", String(ports.api)];
const statusOf = async (port: number, where: string) => (await fetch(`http://localhost:${port}${where}`)).status;
const inData = (name: string) => path.join(clone, "data", name);
const gatewayPid = () => Number(readFileSync(inData("background.pid"), "utf8"));
/** One that has ended but that nobody has asked about shows no arguments any more. */
const isRunning = (pid: number) =>
  spawnSync("ps", ["-p", String(pid), "-o", "args="], { encoding: "utf8" }).stdout.includes("main.js");

test("a taken port is one sentence", async () => {
  const taken = createServer().listen(ports.api, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { complaint, exitCode } = await deploy(withPorts());
  taken.close();
  expect(complaint).toBe(`✗ 端口 ${ports.api} 已被其他程序占用；请释放该端口，或用 --api-port 换一个端口。\n`);
  expect(exitCode).toBe(1);
});

test("one port for both the pages and the API is one sentence", async () => {
  const port = String(ports.web);
  const { complaint, exitCode } = await deploy(["--port", port, "--api-port", port, "--lang", "en"]);
  expect(complaint).toBe(
    `✗ The pages and the API need two ports, not ${port} for both; choose another one by --port or --api-port.\n`,
  );
  expect(exitCode).toBe(1);
});

test("an old Node is one sentence", async () => {
  const bin = path.join(folder, "old-node");
  mkdirSync(bin);
  writeFileSync(path.join(bin, "node"), "#!/bin/sh\necho v18.19.1\n", { mode: 0o755 });
  const { complaint, exitCode } = await deploy(["--lang", "en"], { env: { PATH: `${bin}:${process.env.PATH}` } });
  expect(complaint).toBe("✗ Node is too old (v18.19.1); 20.19 or newer is needed.\n");
  expect(exitCode).toBe(1);
});

test("neither Docker nor Node is one sentence that says what to install", async () => {
  const bin = path.join(folder, "bare");
  mkdirSync(bin);
  for (const tool of ["dirname", "sed", "tail", "df", "awk", "grep", "cat", "mkdir"]) {
    symlinkSync(
      execFileSync("/bin/sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim(),
      path.join(bin, tool),
    );
  }
  const { complaint, exitCode } = await deploy([], { env: { PATH: bin, LANG: "en_US.UTF-8" } });
  expect(complaint).toMatch(/^✗ There is neither a Docker engine nor Node with npm; install [^\n]+\.\n$/);
  expect(exitCode).toBe(1);
});

test("a folder without permission is one sentence", async () => {
  chmodSync(clone, 0o555);
  // Root may write everywhere: there the script is run by nobody.
  const { complaint, exitCode } = await deploy(["--lang", "en"], isRoot ? { uid: 65_534 } : {});
  chmodSync(clone, 0o755);
  expect(complaint).toBe(`✗ This user may not write in ${clone}; run it as the folder's owner.\n`);
  expect(exitCode).toBe(1);
});

test.skipIf(!isRoot)("a full disk is one sentence", async ({ skip }) => {
  const small = path.join(folder, "small");
  mkdirSync(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "none", small], { stdio: "ignore" });
  } catch {
    skip("this machine mounts nothing");
  }
  const { complaint, exitCode } = await deploy(["--lang", "en"], { env: { DATA_FOLDER: small } });
  execFileSync("umount", [small]);
  expect(complaint).toBe(`✗ The disk is full: ${small} has 8 MB left, and 300 MB are needed.\n`);
  expect(exitCode).toBe(1);
});

test("an unknown option, and --status and --logs before a deployment, are one sentence", async () => {
  const unknown = await deploy(["--prot", "1"]);
  expect(unknown.complaint).toBe("✗ 未知选项 --prot；运行 ./deploy-auto.sh --help 查看用法。\n");
  expect(unknown.exitCode).toBe(1);
  expect(await deploy(["--status", "--lang", "en"])).toMatchObject({
    exitCode: 1,
    complaint: "✗ The gateway does not run.\n",
  });
  expect(await deploy(["--logs", "--lang", "en"])).toMatchObject({
    exitCode: 1,
    complaint: "✗ Nothing is deployed here.\n",
  });
});

test("an interrupted run says so, and the next one deploys the clone in seven steps", async () => {
  const interrupted = await deploy(withPorts(), { interruptAt: "[4/7]" });
  expect(interrupted.complaint).toContain("✗ 部署已中断；再次运行 ./deploy-auto.sh 即可继续完成。\n");
  expect(interrupted.exitCode).toBe(130);

  // The ports are in .env by now.
  const { said, complaint, exitCode } = await deploy([]);
  expect({ exitCode, complaint }).toEqual({ exitCode: 0, complaint: "Installing …\nBuilding …\n" });
  expect(said).toContain("没有可用的Docker引擎，改为本机部署");
  const steps = [...said.matchAll(/^\[(\d)\/7\] (.+)$/gm)].map(([, number, name]) => `${number} ${name}`);
  expect(steps).toEqual([
    "1 检查系统要求...",
    "2 停止现有服务...",
    "3 生成配置文件...",
    "4 构建程序...",
    "5 启动服务...",
    "6 等待服务就绪...",
    "7 检查管理员账户...",
  ]);
  const web = `http://localhost:${ports.web}`;
  expect(said).toContain(
    `部署完成！\n================================\n\n访问地址：\n  前端:        ${web}\n` +
      `  管理员面板:  ${web}/admin\n  后端API:     http://localhost:${ports.api}\n`,
  );
  const token = /\/setup\?token=(\S+)/.exec(said)?.[1] ?? "";
  expect(await statusOf(ports.web, `/setup?token=${token}`)).toBe(200);
  expect(await statusOf(ports.api, "/readyz")).toBe(200);
  expect(statSync(path.join(clone, ".env")).mode & 0o777).toBe(0o600);
  // The log has the link, too.
  for (const name of ["gateway.log", "background.pid", "gateway.pid", "setup-token", "secret-key"]) {
    if (existsSync(inData(name))) expect(statSync(inData(name)).mode & 0o077, name).toBe(0);
  }
  expect(readFileSync(inData("gateway.log"), "utf8")).toContain(token);
  expect(statSync(path.join(clone, "data")).mode & 0o044).toBe(0);
  // A session of its own: no terminal that closes ends it.
  const session = execFileSync("ps", ["-o", "sid=", "-p", String(gatewayPid())], { encoding: "utf8" });
  expect(Number(session)).toBe(gatewayPid());

  key = await aFundedKey({ web, setupToken: token }, upstream.url);
}, 180_000);

test("run again it is an update: another process, the same data, keys and ports", async () => {
  const configuration = readFileSync(path.join(clone, ".env"), "utf8");
  const before = gatewayPid();
  const { said, exitCode } = await deploy([], { env: { LANG: "en_US.UTF-8" } });
  expect(exitCode).toBe(0);
  expect(said).toContain("[7/7] Looking for an administrator …\n✓ There is one\n");
  expect(said).toContain(`API:            http://localhost:${ports.api}/v1\n`);
  // The dots of a wait, where there are any, and the ✓ stand apart.
  expect(said).toMatch(/^Waiting for the gateway (?:\.+ )?✓$/m);
  expect(said).not.toContain("setup?token");
  expect(readFileSync(path.join(clone, ".env"), "utf8")).toBe(configuration);
  expect([isRunning(before), isRunning(gatewayPid())]).toEqual([false, true]);
  const owner = createPerson(`http://localhost:${ports.web}`);
  await owner.api.auth.login.mutate({ email: "owner@example.com", password: "password-of-owner" });
  expect(await owner.api.auth.me.query()).toMatchObject({ role: "owner" });
}, 120_000);

test("what an earlier version left open to others is closed by an update", async () => {
  for (const name of ["gateway.log", "background.pid"]) chmodSync(inData(name), 0o644);
  chmodSync(path.join(clone, "data"), 0o755);
  expect((await deploy([])).exitCode).toBe(0);
  expect(statSync(inData("gateway.log")).mode & 0o077).toBe(0);
  expect(statSync(path.join(clone, "data")).mode & 0o044).toBe(0);
}, 120_000);

/** The database of the running gateway, as its owner. */
const ask = async <T>(work: (db: Database) => Promise<T>) => {
  const db = openDatabase(readFileSync(inData("database-url"), "utf8").trim(), { maxConnections: 1 });
  return work(db).finally(() => db.close());
};

test("killed in the middle of a stream it is started again, with the stream settled and an alert", async () => {
  const response = await fetch(`http://localhost:${ports.api}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: true, messages: [] }),
  });
  await (response.body as ReadableStream<Uint8Array>).getReader().read();
  const killed = gatewayPid();
  process.kill(killed, "SIGKILL");
  await expect.poll(gatewayPid, { interval: 20 }).not.toBe(killed);
  const isReady = () => statusOf(ports.api, "/readyz").catch(() => 0);
  await expect.poll(isReady, { timeout: 30_000 }).toBe(200);
  const openHolds = () => ask((db) => db.prisma.hold.count({ where: { state: "open" } }));
  await expect.poll(openHolds, { timeout: 10_000 }).toBe(0);
  const told = () => ask((db) => db.prisma.alert.findFirst({ where: { kind: "process_restarted" } }));
  await expect.poll(told).toMatchObject({ facts: { signal: "SIGKILL", isRestarted: true } });
  expect(await deploy(["--status"])).toMatchObject({ exitCode: 0 });
}, 60_000);

test("a gateway whose watcher was killed serves on, and the next run takes both over", async () => {
  const before = gatewayPid();
  process.kill(Number(readFileSync(inData("background.watcher.pid"), "utf8")), "SIGKILL");
  expect(await statusOf(ports.api, "/readyz")).toBe(200);
  expect(await deploy(["--status"])).toMatchObject({ exitCode: 0 });
  expect((await deploy([])).exitCode).toBe(0);
  expect([isRunning(before), isRunning(gatewayPid())]).toEqual([false, true]);
}, 120_000);

test("--logs shows the log until Ctrl-C, which is no interrupted deployment", async () => {
  const { said, complaint } = await deploy(["--logs"], { interruptAt: "Codex Gateway is running." });
  expect(said).toContain("Codex Gateway is running.");
  expect(complaint).toBe("");
});

test("--logs that is ended by its process id leaves no follower behind", async () => {
  const log = inData("gateway.log");
  const followers = () =>
    spawnSync("ps", ["-eo", "args="], { encoding: "utf8" })
      .stdout.split("\n")
      .filter((args) => args.startsWith("tail ") && args.includes(log));
  const { said } = await deploy(["--logs"], { endAt: "Codex Gateway is running." });
  expect(said).toContain("Codex Gateway is running.");
  expect(followers()).toEqual([]);
});

test("--status says that it runs, --down ends it", async () => {
  expect(await deploy(["--status"])).toMatchObject({ exitCode: 0 });
  const pid = gatewayPid();
  expect(await deploy(["--down"])).toMatchObject({ exitCode: 0 });
  expect([isRunning(pid), existsSync(inData("postgres/postmaster.pid"))]).toEqual([false, false]);
  expect(await deploy(["--status"])).toMatchObject({ exitCode: 1 });
});
