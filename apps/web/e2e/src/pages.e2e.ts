/** The journeys of people through the pages: a real server, a real PostgreSQL, a fake OpenAI, a real browser. */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { startFakeOpenAi, startGatewayProcess, type FakeOpenAi, type GatewayProcess } from "@codex-gateway/demo";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { gatewayEnv } from "./gateway-env.ts";

let gateway: GatewayProcess;
let fake: FakeOpenAi;
/** Refuses every key. */
const refusing = createServer((_req, res) => res.writeHead(401).end());
let browser: Browser;
beforeAll(async () => {
  fake = await startFakeOpenAi();
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  gateway = await startFreshGateway();
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await gateway.stop();
  await fake.stop();
  refusing.close();
});

const startFreshGateway = () =>
  startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: `${demoFolder}/pages-${randomUUID()}`,
      DATABASE_URL: "",
    }),
  );

/** A page of a browser of its own; an error that it logs, one of the content security policy too, fails the test. */
async function aPage(options: BrowserContextOptions = {}): Promise<{ page: Page; errors: string[] }> {
  const page = await (await browser.newContext({ locale: "zh-CN", ...options })).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    // A form that comes back with faults has status 400, which the browser reports as a failed load.
    if (message.type() === "error" && !/40[034]/.test(message.text())) errors.push(message.text());
  });
  return { page, errors };
}

const owner = { email: "owner@example.com", password: "password-of-owner" };
const user = { email: "user@example.com", password: "password-of-user" };

/** Hydrated: what is typed before would be lost on controlled inputs. */
const isReady = (page: Page) => page.waitForLoadState("networkidle");

async function logIn(page: Page, who: { email: string; password: string }, at = gateway): Promise<void> {
  await page.goto(`${at.web}/login`);
  await page.locator("#email").fill(who.email);
  await page.locator("#password").fill(who.password);
  await page.locator("form button[type=submit]").last().click();
  await page.locator("#content").waitFor();
}

const chat = (secret: string) =>
  fetch(`${gateway.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}` },
    body: '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}',
  });

test("from the set-up link to a charged call, in the browser", async () => {
  const boss = await aPage();
  await boss.page.goto(gateway.web);
  await boss.page.getByText("欢迎使用 Codex Gateway").waitFor();
  await boss.page.goto(`${gateway.web}/setup?token=${gateway.setupToken}`);
  await isReady(boss.page);
  await boss.page.getByLabel("邮箱地址").fill(owner.email);
  await boss.page.getByLabel("密码", { exact: true }).fill(owner.password);
  await boss.page.getByLabel("确认密码").fill(owner.password);
  await boss.page.getByRole("button", { name: "下一步" }).click();
  await boss.page.getByText("第 2 / 3 步").waitFor();
  await boss.page.getByLabel("OpenAI API密钥").fill("sk-fake-upstream-key");
  // What is wrong is said beside the field that it is about.
  const besideUrl = boss.page.locator("#baseUrl-note");
  for (const [url, fault] of [
    [fake.url, "地址必须是公网 https 地址"],
    ["http://127.0.0.1:9/v1", "无法连接上游"],
  ] as const) {
    await boss.page.getByLabel("OpenAI Base URL").fill(url);
    await boss.page.getByRole("button", { name: "测试连接" }).click();
    await besideUrl.getByText(fault).waitFor();
    await expect.poll(() => boss.page.evaluate("document.activeElement.id")).toBe("baseUrl");
    await boss.page.getByLabel("允许内网").check();
  }
  await boss.page.getByLabel("OpenAI Base URL").fill(`http://127.0.0.1:${(refusing.address() as AddressInfo).port}/v1`);
  await boss.page.getByRole("button", { name: "测试连接" }).click();
  await boss.page.locator("#apiKey-note").getByText("上游拒绝了该密钥").waitFor();
  await boss.page.getByLabel("OpenAI Base URL").fill(fake.url);
  await boss.page.getByRole("button", { name: "测试连接" }).click();
  await boss.page.getByText("连接成功").waitFor();
  await boss.page.getByRole("button", { name: "下一步" }).click();
  await boss.page.getByRole("button", { name: "上一步" }).click();
  expect(await boss.page.getByLabel("OpenAI Base URL").inputValue()).toBe(fake.url);
  await boss.page.getByRole("button", { name: "下一步" }).click();
  expect(await boss.page.getByLabel("用户访问的地址").inputValue()).toBe(gateway.web);
  await boss.page.getByLabel("系统公告").fill("欢迎！");
  await boss.page.getByRole("button", { name: "完成设置" }).click();
  await boss.page.getByRole("heading", { name: "系统概览" }).waitFor();
  expect(new URL(boss.page.url()).pathname).toBe("/admin");
  const late = await aPage();
  expect((await late.page.goto(`${gateway.web}/setup?token=${gateway.setupToken}`))?.status()).toBe(404);
  await late.page.getByRole("heading", { name: "网关已设置完成" }).waitFor();
  await late.page.getByRole("link", { name: "登录" }).click();
  await late.page.getByRole("heading", { name: "登录" }).waitFor();

  const person = await aPage();
  await person.page.goto(gateway.web);
  await person.page.getByRole("link", { name: "注册" }).click();
  // The log-in page has fields of the same names: what is typed before the page has changed would go there.
  await person.page.getByRole("heading", { name: "注册账户" }).waitFor();
  await person.page.getByLabel("邮箱").fill(user.email);
  await person.page.getByLabel("密码").fill(user.password);
  await person.page.getByRole("button", { name: "注册" }).click();
  await person.page.getByRole("heading", { name: "账户概览" }).waitFor();
  await person.page.getByText("欢迎！").waitFor();
  await person.page.getByText("请在下方兑换充值码，或联系管理员充值").waitFor();
  await person.page.getByRole("link", { name: "创建API密钥" }).click();
  await person.page.getByLabel("密钥名称").fill("laptop");
  await person.page.getByRole("button", { name: "创建", exact: true }).click();
  const secret = (await person.page.getByTestId("new-secret").innerText()).trim();
  await person.page.getByRole("button", { name: "Codex", exact: true }).click();
  await person.page.getByText('env_key = "CODEX_GATEWAY_KEY"').waitFor();
  await person.page.getByRole("button", { name: "关闭" }).click();
  expect((await chat(secret)).status).toBe(429);

  await boss.page.getByRole("link", { name: "用户管理" }).click();
  await boss.page.getByRole("searchbox").fill("user@");
  await boss.page.getByRole("button", { name: "搜索" }).click();
  await boss.page.getByRole("link", { name: `查看 ${user.email}` }).click();
  await boss.page.getByRole("button", { name: "调整余额" }).click();
  await boss.page.getByLabel("调整金额").fill("-1");
  await boss.page.getByRole("button", { name: "确认" }).click();
  await boss.page.getByText("可用余额不足以扣减").waitFor();
  await boss.page.getByLabel("调整金额").fill("5");
  await boss.page.getByText("$5.00", { exact: true }).waitFor();
  await boss.page.getByLabel("调整说明").fill("第一次充值");
  await boss.page.getByRole("button", { name: "确认" }).dblclick();
  await boss.page.getByText("余额已调整，现为 $5.00。").waitFor();
  expect((await chat(secret)).status).toBe(200);

  await person.page.getByRole("link", { name: "使用记录" }).click();
  await person.page.getByRole("button", { name: /费用明细/ }).click();
  await person.page.getByText("$0.0000045", { exact: true }).waitFor();
  await person.page.getByText("按上游返回的用量计费").waitFor();
  await person.page
    .getByRole("dialog")
    .getByText(/gpt-4o-mini · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/)
    .waitFor();
  await person.page.keyboard.press("Escape");
  const csv = await (await person.page.request.get(`${gateway.web}/usage.csv`)).text();
  expect(csv.split("\r\n")[1]).toContain("0.000004500");

  await boss.page.getByRole("link", { name: "操作日志" }).click();
  await boss.page.getByText("update_balance").waitFor();
  await boss.page.getByText("第一次充值").waitFor();

  await person.page.getByRole("link", { name: "API密钥" }).click();
  await person.page.getByRole("button", { name: "删除“laptop”" }).click();
  await person.page.getByRole("button", { name: "删除", exact: true }).click();
  await person.page.getByText("还没有密钥").waitFor();
  await expect.poll(async () => (await chat(secret)).status, { timeout: 1_000 }).toBe(401);
  expect([...boss.errors, ...person.errors]).toEqual([]);
}, 90_000);

test("a batch of codes is made once, and one of them is worth its amount once", async () => {
  const boss = await aPage();
  await logIn(boss.page, owner);
  await boss.page.goto(`${gateway.web}/admin/codes`);
  await isReady(boss.page);
  await boss.page.getByRole("button", { name: "生成兑换码" }).click();
  await boss.page.getByLabel("面额").fill("7");
  await boss.page.getByLabel("数量").fill("3");
  await boss.page.getByRole("button", { name: "生成兑换码" }).last().click();
  await boss.page.getByText("面额低于系统设置中的最小充值金额").waitFor();
  expect(await boss.page.getByLabel("数量").inputValue()).toBe("3");
  await boss.page.getByLabel("面额").fill("12");
  await boss.page.getByLabel("数量").fill("3");
  await boss.page.getByRole("button", { name: "生成兑换码" }).last().click();
  const codes = (await boss.page.getByTestId("new-codes").innerText()).trim().split("\n");
  expect(new Set(codes).size).toBe(3);

  const person = await aPage();
  await logIn(person.page, user);
  await person.page.getByLabel("输入管理员发放的兑换码").fill("CG-AAAAA-AAAAA-AAAAA-AAAAA");
  await person.page.getByRole("button", { name: "兑换", exact: true }).click();
  await person.page.getByText("兑换码无效").waitFor();
  await person.page.getByLabel("输入管理员发放的兑换码").fill(codes[0]!.toLowerCase());
  await person.page.getByRole("button", { name: "兑换", exact: true }).click();
  await person.page.getByText("已到账 $12.00").waitFor();
  // The balance above it is told at once, not when the figures are next asked for.
  await person.page.getByText(/^\$1[67]\.\d+$/).waitFor({ timeout: 5_000 });
  await person.page.getByLabel("输入管理员发放的兑换码").fill(codes[0]!);
  await person.page.getByRole("button", { name: "兑换", exact: true }).click();
  await person.page.getByText("兑换码无效").waitFor();
  expect([...boss.errors, ...person.errors]).toEqual([]);
}, 60_000);

test("step 3: an admin finds, suspends and activates a user, and the log says so", async () => {
  const { page, errors } = await aPage();
  await logIn(page, owner);
  await page.getByText("Codex Gateway 管理面板").waitFor();
  for (const figure of ["总用户数", "总收入", "总消费", "API密钥数"]) await page.getByText(figure).waitFor();
  await page.getByRole("img", { name: "最近 30 天请求" }).waitFor();
  await page.getByRole("link", { name: "用户管理" }).click();
  await page.getByRole("button", { name: `暂停 ${user.email}` }).click();
  await page.getByRole("dialog", { name: "暂停该用户？" }).getByRole("button", { name: "暂停" }).click();
  await page.getByText(`已暂停 ${user.email}`).waitFor();
  await page.getByRole("button", { name: `激活 ${user.email}` }).waitFor();
  await page.getByLabel("状态").selectOption("暂停");
  await page.getByRole("button", { name: "搜索" }).click();
  await page.waitForURL(/status=suspended/);
  await page.getByText("共 1 条").waitFor();
  expect(await page.getByRole("columnheader").allInnerTexts()).toEqual(["邮箱", "余额", "状态", "注册时间", "操作"]);
  await page.getByRole("link", { name: `查看 ${user.email}` }).click();
  for (const fact of ["用户ID", "角色", "普通用户", "总Token数"]) {
    await page.getByText(fact, { exact: true }).first().waitFor();
  }
  await page.getByRole("button", { name: "激活", exact: true }).click();
  await page.getByText(`已激活 ${user.email}`).waitFor();
  await page.getByRole("button", { name: "暂停", exact: true }).waitFor();
  await page.getByRole("link", { name: "操作日志" }).click();
  await page.getByLabel("操作", { exact: true }).selectOption("update_status");
  await page.getByRole("button", { name: "筛选" }).click();
  await page.getByText("共 2 条").waitFor();
  await page.getByText("暂停用户").waitFor();
  await page.getByText("激活用户").waitFor();
  expect(errors).toEqual([]);
}, 60_000);

test("step 4: a user looks through the usage by days, model and key, and the total is the whole range's", async () => {
  const { page, errors } = await aPage();
  await logIn(page, user);
  for (const figure of ["账户余额", "API密钥数", "今日消费", "今日请求数"]) {
    await page.getByText(figure, { exact: true }).waitFor();
  }
  await page.getByRole("link", { name: "查看使用记录" }).click();
  await page.getByText(/总计: 17 tokens, \$0\.000004（1 次请求）/).waitFor();
  await page.getByLabel("模型").selectOption("gpt-4o-mini");
  await page.getByRole("button", { name: "筛选" }).click();
  await page.waitForURL(/model=gpt-4o-mini/);
  await page.getByText("总计: 17 tokens").waitFor();
  await page.getByLabel("开始日期").fill("2020-01-01");
  await page.getByLabel("结束日期").fill("2020-01-31");
  await page.getByRole("button", { name: "筛选" }).click();
  await page.getByText("这段时间没有使用记录").waitFor();
  expect(errors).toEqual([]);
}, 60_000);

test("an admin changes a price, an upstream and the settings", async () => {
  const { page, errors } = await aPage();
  await logIn(page, owner);
  await page.goto(`${gateway.web}/admin/prices/gpt-4o-mini`);
  await isReady(page);
  await page.getByLabel("加价 (%)").fill("20");
  await page.getByRole("button", { name: "保存为新版本" }).click();
  await page.getByText("已保存").waitFor();
  await page.getByRole("row").nth(2).waitFor();
  expect(await page.getByRole("row").count()).toBe(3);
  await page.getByLabel("输入", { exact: true }).fill("a lot");
  await page.getByRole("button", { name: "保存为新版本" }).click();
  await page.getByText("请输入每百万的美元价格").waitFor();
  await page.goto(`${gateway.web}/admin/prices/proposals`);
  await page.getByText("价格表是最新的").waitFor();

  await page.goto(`${gateway.web}/admin/logs`);
  await page.getByText("加价: 0% → 20%").waitFor();
  await page.goto(`${gateway.web}/admin/prices/gpt-4o-mini`);
  await isReady(page);
  await page.getByLabel("输入", { exact: true }).fill("0.3");
  await page.getByRole("button", { name: "保存为新版本" }).click();
  await page.getByText("已保存").waitFor();
  await page.goto(`${gateway.web}/admin/logs`);
  expect(await page.getByRole("row").nth(1).getByRole("listitem").allInnerTexts()).toEqual(["输入: $0.15 → $0.30"]);

  await page.goto(`${gateway.web}/admin/upstreams`);
  await isReady(page);
  await page.getByRole("button", { name: "测试 OpenAI" }).click();
  await page.getByText("连接成功").waitFor();
  await page.getByRole("button", { name: "删除 OpenAI" }).click();
  await page.getByRole("button", { name: "删除", exact: true }).click();
  await page.getByText("至少要有一个启用的上游").waitFor();
  await page.keyboard.press("Escape");

  await page.goto(`${gateway.web}/admin/settings`);
  await isReady(page);
  await page.getByLabel("新用户默认余额").fill("-3");
  await page.getByRole("button", { name: "保存设置" }).click();
  await page.getByText("金额不能小于零").waitFor();
  expect(await page.getByLabel("新用户默认余额").inputValue()).toBe("-3");
  await page.getByLabel("新用户默认余额").fill("1.5");
  await page.getByLabel("允许新用户注册").uncheck();
  await page.getByRole("button", { name: "保存设置" }).click();
  await page.getByText("设置已保存").waitFor();
  const stranger = await aPage();
  await stranger.page.goto(`${gateway.web}/register`);
  await stranger.page.getByText("管理员已关闭新用户注册").waitFor();
  expect([...errors, ...stranger.errors]).toEqual([]);
}, 60_000);

test("the account: a session is revoked, the password changed, the log-in leads back to where one was", async () => {
  const [here, there] = [await aPage(), await aPage({ userAgent: "Firefox on Windows" })];
  await logIn(here.page, user);
  await logIn(there.page, user);
  await here.page.goto(`${gateway.web}/account`);
  await isReady(here.page);
  await here.page.getByRole("button", { name: "移除 Firefox · Windows" }).click();
  await here.page.getByRole("button", { name: "移除 Firefox · Windows" }).waitFor({ state: "detached" });
  await there.page.goto(`${gateway.web}/usage?model=gpt-4o-mini`);
  await there.page.getByRole("heading", { name: "登录" }).waitFor();
  await there.page.getByLabel("邮箱").fill(user.email);
  await there.page.getByLabel("密码").fill("wrong password");
  await there.page.getByRole("button", { name: "登录" }).click();
  await there.page.getByText("邮箱或密码错误").waitFor();
  await there.page.getByLabel("密码").fill(user.password);
  await there.page.getByRole("button", { name: "登录" }).click();
  await there.page.getByRole("heading", { name: "使用记录" }).waitFor();
  expect(there.page.url()).toContain("/usage?model=gpt-4o-mini");

  await here.page.locator("#password-current").fill("not mine");
  await here.page.locator("#password").fill("another password");
  await here.page.getByRole("button", { name: "修改密码" }).click();
  await here.page.getByText("当前密码错误").waitFor();
  await here.page.locator("#password-current").fill(user.password);
  await here.page.getByRole("button", { name: "修改密码" }).click();
  await here.page.getByText("密码已修改").waitFor();
  user.password = "another password";
  expect([...here.errors, ...there.errors]).toEqual([]);
}, 60_000);

test("what is not there, and what is somebody else's, is 404; what is the admins' is 403", async () => {
  const { page } = await aPage();
  await logIn(page, user);
  for (const [address, status] of [
    ["/nowhere", 404],
    ["/setup", 404],
    ["/admin", 403],
    ["/admin/users", 403],
  ] as const) {
    expect((await page.goto(gateway.web + address))?.status(), address).toBe(status);
  }
  const boss = await aPage();
  await logIn(boss.page, owner);
  expect((await boss.page.goto(`${gateway.web}/admin/users/${randomUUID()}`))?.status()).toBe(404);
  expect((await boss.page.goto(`${gateway.web}/admin/users/not-an-id`))?.status()).toBe(404);
});

test("in English, on a phone, by the keyboard alone: a key is created, and no page is too wide", async () => {
  const { page, errors } = await aPage({ locale: "en-US", viewport: { width: 390, height: 844 } });
  await logIn(page, user);
  expect(await page.locator("html").getAttribute("lang")).toBe("en");
  await page.goto(`${gateway.web}/api-keys`);
  await isReady(page);
  await page.getByRole("button", { name: "Create a key" }).first().focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await expect.poll(() => page.evaluate("document.activeElement.id")).toBe("name");
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await page.getByText("Your API key is ready").waitFor();
  await page.getByRole("button", { name: "I have saved it" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("by keyboard").waitFor();
  // No page is wider than the phone.
  for (const address of ["/dashboard", "/api-keys", "/usage", "/account"]) {
    await page.goto(gateway.web + address);
    expect(await page.evaluate("document.documentElement.scrollWidth"), address).toBeLessThanOrEqual(390);
  }
  const boss = await aPage({ locale: "en-US", viewport: { width: 390, height: 844 } });
  await logIn(boss.page, owner);
  for (const address of ["", "/users", "/codes", "/prices", "/prices/gpt-5-mini", "/upstreams", "/settings", "/logs"]) {
    await boss.page.goto(`${gateway.web}/admin${address}`);
    expect(await boss.page.evaluate("document.documentElement.scrollWidth"), address).toBeLessThanOrEqual(390);
  }
  // On a tablet, where cards have become tables, none of them is cut off.
  const overhang = `[...document.querySelectorAll("table.table")].map((table) =>
    table.offsetWidth - table.closest("section").clientWidth)`;
  for (const [{ page: each }, addresses] of [
    [{ page }, ["/api-keys", "/usage"]],
    [boss, ["/admin/users", "/admin/codes", "/admin/prices", "/admin/upstreams", "/admin/logs"]],
  ] as const) {
    await each.setViewportSize({ width: 768, height: 1024 });
    for (const address of addresses) {
      await each.goto(gateway.web + address);
      expect(await each.evaluate(overhang), address).toEqual([0]);
    }
  }
  expect([...errors, ...boss.errors]).toEqual([]);
}, 60_000);

test("without JavaScript: set-up, log-in, log-out, language and theme", async () => {
  const fresh = await startFreshGateway();
  try {
    const { page } = await aPage({ javaScriptEnabled: false });
    await page.goto(`${fresh.web}/setup?token=${fresh.setupToken}`);
    await page.getByLabel("邮箱地址").fill(owner.email);
    await page.getByLabel("密码", { exact: true }).fill(owner.password);
    await page.getByLabel("确认密码").fill("something else");
    await page.getByLabel("OpenAI API密钥").fill("sk-fake-upstream-key");
    await page.getByLabel("OpenAI Base URL").fill(fake.url);
    await page.getByLabel("允许内网").check();
    await page.getByRole("button", { name: "完成设置" }).click();
    await page.getByText("两次输入的密码不一致").waitFor();
    // What was typed is still there, but for the secrets.
    expect(await page.getByLabel("邮箱地址").inputValue()).toBe(owner.email);
    expect(await page.getByLabel("OpenAI Base URL").inputValue()).toBe(fake.url);
    expect(await page.getByLabel("允许内网").isChecked()).toBe(true);
    await page.getByLabel("密码", { exact: true }).fill(owner.password);
    await page.getByLabel("确认密码").fill(owner.password);
    await page.getByLabel("OpenAI API密钥").fill("sk-fake-upstream-key");
    await page.getByRole("button", { name: "完成设置" }).click();
    await page.getByRole("heading", { name: "系统概览" }).waitFor();
    await page.getByRole("button", { name: "English" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByRole("button", { name: "Theme: System" }).click();
    expect(await page.locator("html").getAttribute("data-theme")).toBe("light");
    await page.getByRole("button", { name: "Log out" }).click();
    await logIn(page, owner, fresh);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  } finally {
    await fresh.stop();
  }
}, 60_000);

test("a page of another site cannot act as a signed-in user", async () => {
  const response = await fetch(`${gateway.web}/logout`, {
    method: "POST",
    headers: { origin: "https://evil.example" },
  });
  expect(response.status).toBe(403);
});

test("a log-in leads to no other site", async () => {
  const { page } = await aPage();
  await page.goto(`${gateway.web}/login?next=${encodeURIComponent("//evil.example/")}`);
  await page.locator("#email").fill(user.email);
  await page.locator("#password").fill(user.password);
  await page.getByRole("button", { name: "登录" }).click();
  await page.getByRole("heading", { name: "账户概览" }).waitFor();
  expect(new URL(page.url()).origin).toBe(gateway.web);
});
