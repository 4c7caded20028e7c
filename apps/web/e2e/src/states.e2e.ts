/** What pages show when something is not as it should be: no database, a session that is over, a failed call, a slow one. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "@codex-gateway/db";
import { createPerson, startDemo, startGatewayProcess, type Person, type RunningDemo } from "@codex-gateway/demo";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { anyPorts } from "./demo-folder.ts";
import { gatewayEnv } from "./gateway-env.ts";
import { openPageOf } from "./person-page.ts";

let demo: RunningDemo;
let browser: Browser;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

const aPageOf = (person: Person) => openPageOf(browser, person, demo.web);

async function aUser(): Promise<{ person: Person; email: string; userId: string }> {
  const person = createPerson(demo.web);
  const email = `${randomUUID()}@example.com`;
  await person.api.auth.register.mutate({ email, password: "password-of-somebody" });
  return { person, email, userId: (await person.api.auth.me.query())?.id ?? "" };
}

test("without a database a page says so, with the request's id that the log has, and works again afterwards", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "codex-gateway-states-"));
  let postgres: EmbeddedPostgres = await startEmbeddedPostgres(path.join(folder, "database"));
  const gateway = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: path.join(folder, "gateway"),
      DATABASE_URL: postgres.url,
    }),
  );
  try {
    const page = await (await browser.newContext({ locale: "zh-CN" })).newPage();
    expect((await page.goto(`${gateway.web}/login`))?.status()).toBe(200);
    await postgres.stop();
    const ofSomebody = "s".repeat(40);
    await page.context().addCookies([{ name: "session", value: ofSomebody, url: gateway.web }]);
    for (const address of ["/dashboard", "/admin/users", "/", "/register"]) {
      expect((await page.goto(gateway.web + address))?.status(), address).toBe(503);
    }
    await page.context().clearCookies();
    // Nobody is asked who they are here; the settings are what cannot be read.
    expect((await page.goto(`${gateway.web}/register`))?.status()).toBe(503);
    await page.getByRole("heading", { name: "服务暂时不可用" }).waitFor();
    const requestId = await page.locator("code").innerText();
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    await expect.poll(() => gateway.output()).toContain(requestId);
    const credentials = '{"email":"somebody@example.com","password":"password-of-somebody"}';
    for (const [address, init, said] of [
      ["trpc/auth.registration", {}, '"code":"SERVICE_UNAVAILABLE"'],
      ["trpc/dashboard.models", { headers: { cookie: `session=${ofSomebody}` } }, '"code":"SERVICE_UNAVAILABLE"'],
      ["auth/token", { method: "POST", body: credentials }, '{"error":{"message":"Something went wrong."}}'],
    ] as const) {
      const answer = await fetch(`${gateway.web}/api/${address}`, init);
      const text = await answer.text();
      expect([answer.status, text], address).toEqual([503, expect.stringContaining(said)]);
      expect(text).not.toContain("ECONNREFUSED");
      expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
      // The log comes through a pipe.
      await expect.poll(() => gateway.output()).toContain(answer.headers.get("x-request-id"));
    }
    const { port } = new URL(postgres.url);
    postgres = await startEmbeddedPostgres(path.join(folder, "database"), { port: Number(port) });
    await expect
      .poll(async () => (await fetch(`${gateway.web}/register`)).status, { timeout: 20_000, interval: 500 })
      .toBe(200);
    await page.getByRole("link", { name: "重试" }).click();
    await page.getByRole("heading", { name: "注册账户" }).waitFor();
  } finally {
    await gateway.stop();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}, 90_000);

test("no character is torn where a page is sent in pieces", async () => {
  for (let page = 1; page <= 3; page++) {
    const response = await fetch(`${demo.web}/admin/prices?page=${page}`, {
      headers: { cookie: demo.ownerSession.cookie(), "accept-language": "zh-CN" },
    });
    const html = await response.text();
    expect(html).toContain("缓存输入");
    expect(html.match(/.{0,9}[\0\uFFFD].{0,9}/g)).toBeNull();
  }
});

test("who is suspended is out at the next click, and is told whom to ask", async () => {
  const { person, email, userId } = await aUser();
  const page = await aPageOf(person);
  await page.goto(`${demo.web}/dashboard`, { waitUntil: "networkidle" });
  await demo.ownerSession.api.admin.users.setStatus.mutate({ userId, status: "suspended" });
  await page.getByRole("link", { name: "使用记录" }).first().click();
  await page.getByText("若账户已被暂停，请联系管理员").waitFor();
  expect(new URL(page.url()).searchParams.get("next")).toBe("/usage");
  await page.getByLabel("邮箱").fill(email);
  await page.getByLabel("密码").fill("password-of-somebody");
  await page.getByRole("button", { name: "登录" }).click();
  await page.getByText("邮箱或密码错误").waitFor();
});

test("a first visit is no session that is over", async () => {
  const page = await (await browser.newContext({ locale: "zh-CN" })).newPage();
  await page.goto(`${demo.web}/usage`);
  await page.getByRole("heading", { name: "登录" }).waitFor();
  expect(await page.getByText("您的登录已失效").count()).toBe(0);
});

test("details that cannot be loaded can be asked for again", async () => {
  const { person, userId } = await aUser();
  await demo.ownerSession.api.admin.users.adjustBalance.mutate({
    userId,
    amountUsd: "1",
    isPaid: false,
    note: "",
    formId: randomUUID(),
  });
  const { secret } = await person.api.keys.create.mutate({ name: "states" });
  await fetch(`${demo.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}` },
    body: '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}',
  });
  const page = await aPageOf(person);
  await page.goto(`${demo.web}/usage`, { waitUntil: "networkidle" });
  await page.route("**/api/trpc/usage.charge**", (route) => route.abort());
  await page.getByRole("button", { name: /费用明细/ }).click();
  await page.getByText("无法连接服务器").waitFor();
  await page.unroute("**/api/trpc/usage.charge**");
  await page.getByRole("button", { name: "重试" }).click();
  await page.getByText("按上游返回的用量计费").waitFor();
});

test("a page that takes its time shows that it is on its way", async () => {
  const page = await aPageOf(demo.userSession);
  await page.goto(`${demo.web}/dashboard`, { waitUntil: "networkidle" });
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  await page.route("**/usage.data**", async (route) => {
    await gate;
    await route.continue();
  });
  await page.getByRole("link", { name: "使用记录" }).first().click();
  await page.getByText("正在加载").waitFor({ state: "attached" });
  await page.getByTestId("skeleton").waitFor();
  expect(await page.getByRole("heading", { name: "账户概览" }).isVisible()).toBe(false);
  open();
  await page.getByRole("heading", { name: "使用记录" }).waitFor();
  await page.getByText("正在加载").waitFor({ state: "detached" });
  expect(await page.getByTestId("skeleton").count()).toBe(0);

  await page.unroute("**/usage.data**");
  const next = new Promise<void>((resolve) => (open = resolve));
  await page.route("**/usage.data**", async (route) => {
    await next;
    await route.continue();
  });
  await page.getByRole("button", { name: "筛选" }).click();
  await page.locator("[aria-busy=true]").waitFor();
  open();
  await page.waitForURL(/model=/);
  await page.locator("[aria-busy=true]").waitFor({ state: "detached" });
});

test("what a page refuses leaves the frame around it: one can go elsewhere", async () => {
  for (const [person, address, title] of [
    [demo.userSession, "/admin/users", "没有权限"],
    [demo.ownerSession, `/admin/users/${randomUUID()}`, "页面不存在"],
  ] as const) {
    const page = await aPageOf(person);
    await page.goto(demo.web + address, { waitUntil: "networkidle" });
    await page.getByRole("heading", { name: title }).waitFor();
    expect(await page.locator("main").count()).toBe(1);
    await page.getByRole("link", { name: "使用记录" }).first().click();
    await page.getByRole("heading", { name: "使用记录" }).waitFor();
  }
});

test("a page that cannot be fetched can be tried again", async () => {
  const page = await aPageOf(demo.userSession);
  await page.goto(`${demo.web}/dashboard`, { waitUntil: "networkidle" });
  await page.route("**/usage.data**", (route) =>
    route.fulfill({ status: 500, headers: { "x-remix-response": "yes" }, body: "no" }),
  );
  await page.getByRole("link", { name: "使用记录" }).first().click();
  await page.getByRole("heading", { name: "出错了" }).waitFor();
  await page.unroute("**/usage.data**");
  await page.getByRole("link", { name: "重试" }).click();
  await page.getByRole("heading", { name: "使用记录" }).waitFor();
});

test("two presses of one button make one key and one batch of codes", async () => {
  const { person } = await aUser();
  const page = await aPageOf(person);
  await page.goto(`${demo.web}/api-keys?create`, { waitUntil: "networkidle" });
  await page.getByLabel("密钥名称").fill("twice");
  await page.getByRole("button", { name: "创建", exact: true }).dblclick();
  await page.getByTestId("new-secret").waitFor();
  expect(await person.api.keys.list.query()).toHaveLength(1);

  const boss = await aPageOf(demo.ownerSession);
  await boss.goto(`${demo.web}/admin/codes`, { waitUntil: "networkidle" });
  await boss.getByRole("button", { name: "生成兑换码" }).click();
  await boss.getByLabel("面额").fill("20");
  await boss.getByLabel("数量").fill("2");
  await boss.getByRole("button", { name: "生成兑换码" }).last().dblclick();
  await boss.getByTestId("new-codes").waitFor();
  expect((await demo.ownerSession.api.admin.codes.list.query({})).total).toBe(1);
});
