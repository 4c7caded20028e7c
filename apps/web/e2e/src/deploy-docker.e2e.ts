/**
 * deploy-auto.sh with Docker, as far as it goes without an engine: a program named `docker` writes down what it is asked.
 * What an engine makes of that is shown by docker/test.sh.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cloneForDeployment, runDeployment, type RunOptions } from "./deploy-clone.ts";
import { freePort } from "./free-port.ts";

let folder: string;
let clone: string;
let ports: string[];
beforeAll(async () => {
  ({ folder, clone } = cloneForDeployment());
  ports = ["--port", String(await freePort()), "--api-port", String(await freePort())];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  rmSync(path.join(clone, ".env"), { force: true });
  rmSync(path.join(folder, "asked"), { force: true });
});

/** Each container is there and healthy; there is an owner. */
const services = "printf 'codex-postgres\\ncodex-backend\\ncodex-frontend\\n'";
const docker = (composeVersion: string, info = "echo /nowhere") => `#!/bin/sh
echo "docker $*" >>"$ASKED"
case "$*" in
  info*) ${info} ;;
  'compose version'*) ${composeVersion} ;;
  compose*' config --services') ${services} ;;
  ps*service=codex-gateway* | ps*service=codex-balancer*) ;;
  ps*service=codex-*) echo 1 ;;
  inspect*) echo healthy ;;
  exec*setup-link) echo 'Codex Gateway: There is an owner already.' >&2; exit 1 ;;
esac
`;
const dockerCompose = `#!/bin/sh
echo "docker-compose $*" >>"$ASKED"
case "$*" in *' config --services') ${services} ;; esac
`;

/** Runs deploy-auto.sh with these programs alone on its PATH, beside the usual small tools. */
async function deployWith(programs: Record<string, string>, args: string[], options: RunOptions = {}) {
  const bin = path.join(folder, "bin");
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  const tools = "dirname sed tail df awk grep cat mkdir od tr mv rm chmod sleep timeout sh bash uname".split(" ");
  for (const tool of tools) {
    const found = execFileSync("/bin/sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
    symlinkSync(found, path.join(bin, tool));
  }
  for (const [name, text] of Object.entries(programs)) writeFileSync(path.join(bin, name), text, { mode: 0o755 });
  const asked = path.join(folder, "asked");
  writeFileSync(asked, "");
  chmodSync(asked, 0o666);
  const env = { PATH: bin, ASKED: asked, LANG: "en_US.UTF-8", ...options.env };
  const run = await runDeployment(clone, args, { ...options, env });
  return { ...run, asked: readFileSync(asked, "utf8").trim().split("\n") };
}

const composeCalls = (asked: string[]) =>
  asked
    .filter((line) => /^docker[- ]compose /.test(line) && !line.includes("version"))
    .map((line) => line.replace(`${clone}/`, ""));

/** In their order: built, the services asked for, all of them started, and asked for again to be waited for. */
const deploymentBy = (composer: string) =>
  ["build", "config --services", "up -d --remove-orphans", "config --services"].map(
    (words) => `${composer} --env-file .env ${words}`,
  );

test("a first deployment says in Chinese, line by line, what was promised", async () => {
  const link = "http://localhost/setup?token=of-the-test";
  const unowned = docker("echo v2").replace(/exec\*setup-link\).*/, `exec*setup-link) echo '${link}' ;;`);
  const { said } = await deployWith({ docker: unowned }, ports, { env: { LANG: "zh_CN.UTF-8" } });
  const [, web, , api] = ports;
  const rule = "================================";
  expect(said.split("\n")).toEqual([
    rule,
    "  Codex Gateway 一键部署",
    rule,
    "",
    "[1/7] 检查系统要求...",
    "✓ Docker已安装",
    "",
    "[2/7] 停止现有服务...",
    "",
    "[3/7] 生成配置文件...",
    "✓ 配置文件已生成",
    "注意: 数据库密码和JWT密钥已自动生成",
    "",
    "[4/7] 构建Docker镜像...",
    "",
    "[5/7] 启动服务...",
    "",
    "[6/7] 等待服务就绪...",
    "等待数据库启动 ✓",
    "等待后端启动 ✓",
    "等待前端启动 ✓",
    "",
    "[7/7] 检查管理员账户...",
    "未找到管理员账户",
    "",
    rule,
    "部署完成！",
    rule,
    "",
    "访问地址：",
    `  前端:        http://localhost:${web}`,
    `  管理员面板:  http://localhost:${web}/admin`,
    `  后端API:     http://localhost:${api}`,
    "",
    "首次安装（此链接只能使用一次）：",
    `  ${link}`,
    "",
  ]);
});

test("the dots of a wait and its ✓ stand apart", async () => {
  const slow = docker("echo v2").replace(
    "inspect*) echo healthy ;;",
    'inspect*) if grep -q waited "$ASKED"; then echo healthy; else echo waited >>"$ASKED"; echo starting; fi ;;',
  );
  const { said, exitCode } = await deployWith({ docker: slow }, ports);
  expect(exitCode).toBe(0);
  expect(said).toContain("\nWaiting for the database . ✓\nWaiting for the backend ✓\n");
});

test("docker compose v2 is preferred to docker-compose", async () => {
  const programs = { docker: docker("echo v2"), "docker-compose": dockerCompose };
  const { said, complaint, exitCode, asked } = await deployWith(programs, ports);
  expect({ exitCode, complaint }).toEqual({ exitCode: 0, complaint: "" });
  expect(said).toContain("✓ There is one");
  expect(composeCalls(asked)).toEqual(deploymentBy("docker compose"));
});

test("docker-compose 1.29 does where docker has no compose", async () => {
  const programs = { docker: docker("exit 1"), "docker-compose": dockerCompose };
  const { complaint, exitCode, asked } = await deployWith(programs, ports);
  expect({ exitCode, complaint }).toEqual({ exitCode: 0, complaint: "" });
  expect(composeCalls(asked)).toEqual(deploymentBy("docker-compose"));
});

test("neither of them is one sentence that says what to install", async () => {
  const { complaint, exitCode } = await deployWith({ docker: docker("exit 1") }, ports);
  expect(complaint).toMatch(/^✗ docker compose is missing; install docker-compose-plugin [^\n]+\.\n$/);
  expect(exitCode).toBe(1);
});

test("an engine that this user may not talk to is one sentence, not a native deployment", async () => {
  const refusal = "echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1";
  const { complaint, exitCode } = await deployWith({ docker: docker("echo v2", refusal) }, ports);
  expect(complaint).toMatch(/^✗ This user may not talk to Docker; [^\n]+\.\n$/);
  expect(exitCode).toBe(1);
});

test("a build that fails says at which step, and the next run goes on", async () => {
  const failing = docker("echo v2").replace(
    "  info*)",
    "  compose*' build') echo 'no such host' >&2; exit 17 ;;\n  info*)",
  );
  const failed = await deployWith({ docker: failing }, ports);
  expect(failed.complaint).toBe(
    "no such host\n✗ Step 4 failed, as the lines above say; put it right and run ./deploy-auto.sh again to finish.\n",
  );
  expect(failed.exitCode).toBe(1);
  const configuration = readFileSync(path.join(clone, ".env"), "utf8");
  expect((await deployWith({ docker: docker("echo v2") }, [])).exitCode).toBe(0);
  expect(readFileSync(path.join(clone, ".env"), "utf8")).toBe(configuration);
});

test("an installation in Docker whose engine is down is not deployed a second time", async () => {
  await deployWith({ docker: docker("echo v2") }, ports);
  const { complaint, exitCode } = await deployWith({ docker: docker("echo v2", "exit 1") }, []);
  expect(complaint).toMatch(/^✗ This installation runs in Docker, whose engine does not answer; [^\n]+\.\n$/);
  expect(exitCode).toBe(1);
});

test("--down and --logs ask for just that", async () => {
  const programs = { docker: docker("echo v2") };
  expect((await deployWith(programs, ["--down"])).complaint).toBe("✗ Nothing is deployed here.\n");
  await deployWith(programs, ports);
  expect(composeCalls((await deployWith(programs, ["--logs"])).asked)).toEqual([
    "docker compose --env-file .env logs -f --tail 100",
  ]);
  expect(composeCalls((await deployWith(programs, ["--down"])).asked)).toEqual([
    "docker compose --env-file .env down --remove-orphans",
  ]);
});

const pin = (programs: Record<string, string>) => deployWith(programs, [], { script: "docker/pin-images.sh" });
/** A registry whose digests are this letter over and over. */
const registry = (letter: string, said = `Digest: sha256:${letter.repeat(64)}`) => `#!/bin/sh
echo "docker $*" >>"$ASKED"
echo "24: Pulling from library/node"
echo "${said}"
`;
const imagesIn = (configuration: string) => configuration.split("\n").filter((line) => line.includes("_IMAGE="));

test("pinned images keep their names, a registry's port included, and a second run takes newer digests", async () => {
  const env = path.join(clone, ".env");
  writeFileSync(env, "JWT_SECRET=kept\nNODE_IMAGE='registry.example.com:5000/node'\n");
  const pinned = (letter: string) => [
    `NODE_IMAGE=registry.example.com:5000/node@sha256:${letter.repeat(64)}`,
    `POSTGRES_IMAGE=postgres:17-bookworm@sha256:${letter.repeat(64)}`,
    `HAPROXY_IMAGE=haproxy:3.2@sha256:${letter.repeat(64)}`,
  ];
  const pulls = ["registry.example.com:5000/node", "postgres:17-bookworm", "haproxy:3.2"];
  for (const letter of ["a", "b"]) {
    const { said, exitCode, asked } = await pin({ docker: registry(letter) });
    expect({ exitCode, said }).toEqual({ exitCode: 0, said: `${pinned(letter).join("\n")}\n` });
    expect(asked).toEqual(pulls.map((name) => `docker pull ${name}`));
    expect(imagesIn(readFileSync(env, "utf8"))).toEqual(pinned(letter));
  }
  expect(readFileSync(env, "utf8")).toContain("JWT_SECRET=kept\n");
});

test("what cannot be pinned is one sentence, and leaves .env as it was", async () => {
  expect((await pin({ docker: registry("a") })).complaint).toBe(
    "✗ There is no .env yet; run ./deploy-auto.sh first.\n",
  );
  const env = path.join(clone, ".env");
  const before = "NODE_IMAGE=node:24-mine@sha256:old\n";
  writeFileSync(env, before);
  expect(await pin({})).toMatchObject({ exitCode: 1, complaint: "✗ There is no docker here.\n" });
  expect(await pin({ docker: registry("a", "Status: local") })).toMatchObject({
    exitCode: 1,
    complaint: "docker pull node:24-mine …\n✗ node:24-mine has no digest: it did not come from a registry.\n",
  });
  expect(await pin({ docker: "#!/bin/sh\necho 'no route to host' >&2\nexit 1\n" })).toMatchObject({
    exitCode: 1,
    complaint: "docker pull node:24-mine …\nno route to host\n✗ node:24-mine cannot be pulled; what is pinned stays.\n",
  });
  expect(readFileSync(env, "utf8")).toBe(before);
});
