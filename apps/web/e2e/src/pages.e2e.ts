import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { startFakeOpenAi, startGatewayProcess, type FakeOpenAi, type GatewayProcess } from "@codex-gateway/demo";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { demoFolder } from "./demo-folder.ts";

let gateway: GatewayProcess;
let fake: FakeOpenAi;
let browser: Browser;
beforeAll(async () => {
  fake = await startFakeOpenAi();
  gateway = await startGatewayProcess({
    PORT: "0",
    API_PORT: "0",
    HOST: "127.0.0.1",
    DATA_FOLDER: `${demoFolder}/pages-${randomUUID()}`,
    DATABASE_URL: "",
    PUBLIC_URL: "",
    SECRET_KEY: "",
  });
  const debian = "/usr/bin/chromium";
  browser = await chromium.launch({
    ...(existsSync(debian) ? { executablePath: debian } : {}),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });
}, 60_000);
afterAll(async () => {
  await browser.close();
  await gateway.stop();
  await fake.stop();
});

/** A page of a browser of its own; an error that it logs fails the test. */
async function aPage(): Promise<{ page: Page; errors: string[] }> {
  const page = await (await browser.newContext()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    // A form that comes back with faults has status 400, which the browser reports as a failed load.
    if (message.type() === "error" && !message.text().includes("400")) errors.push(message.text());
  });
  return { page, errors };
}

test("from the set-up link to a charged call, in the browser", async () => {
  const owner = await aPage();
  await owner.page.goto(`${gateway.web}/setup?token=${gateway.setupToken}`);
  await owner.page.getByLabel("邮箱").fill("owner@example.com");
  await owner.page.getByLabel("密码").fill("password-of-owner");
  await owner.page.getByRole("button", { name: "下一步" }).click();
  await owner.page.getByLabel("OpenAI API Key").fill("sk-fake-upstream-key");
  await owner.page.getByLabel("Base URL").fill(fake.url);
  await owner.page.getByRole("button", { name: "测试连接" }).click();
  await owner.page.getByText("地址必须是公网 https 地址").waitFor();
  await owner.page.getByLabel("允许内网").check();
  await owner.page.getByRole("button", { name: "测试连接" }).click();
  await owner.page.getByText("连接成功").waitFor();
  await owner.page.getByRole("button", { name: "下一步" }).click();
  await owner.page.getByRole("button", { name: "上一步" }).click();
  expect(await owner.page.getByLabel("Base URL").inputValue()).toBe(fake.url);
  await owner.page.getByRole("button", { name: "下一步" }).click();
  await owner.page.getByRole("button", { name: "完成设置" }).click();
  await owner.page.getByRole("heading", { name: "用户管理" }).waitFor();

  const user = await aPage();
  await user.page.goto(gateway.web);
  await user.page.getByRole("link", { name: "注册" }).click();
  await user.page.getByLabel("邮箱").fill("user@example.com");
  await user.page.getByLabel("密码").fill("password-of-user");
  await user.page.getByRole("button", { name: "注册" }).click();
  await user.page.getByLabel("名称").fill("laptop");
  await user.page.getByRole("button", { name: "创建密钥" }).click();
  const secret = (await user.page.getByTestId("new-secret").innerText()).trim();
  const call = () =>
    fetch(`${gateway.api}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}` },
      body: '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}',
    });
  expect((await call()).status).toBe(429);

  await owner.page.reload();
  const row = owner.page.getByRole("listitem").filter({ hasText: "user@example.com" });
  await row.getByText("管理", { exact: true }).click();
  await row.getByLabel("调整余额（美元").fill("5");
  await row.getByRole("button", { name: "调整余额" }).click();
  await row.getByText("调整后余额 $5.000000000").waitFor();
  expect((await call()).status).toBe(200);

  await user.page.getByRole("link", { name: "用量" }).click();
  await user.page.getByText("0.000004500", { exact: true }).waitFor();
  await user.page.getByText("$4.999995500").waitFor();
  await user.page.getByRole("link", { name: "API 密钥" }).click();
  user.page.on("dialog", (dialog) => void dialog.accept());
  await user.page.getByRole("button", { name: "删除" }).click();
  await user.page.getByText("还没有密钥").waitFor();
  await expect.poll(async () => (await call()).status, { timeout: 1_000 }).toBe(401);

  await user.page.getByRole("button", { name: "退出登录" }).click();
  await user.page.getByLabel("邮箱").fill("user@example.com");
  await user.page.getByLabel("密码").fill("wrong password");
  await user.page.getByRole("button", { name: "登录" }).click();
  await user.page.getByText("邮箱或密码错误").waitFor();
  expect([...owner.errors, ...user.errors]).toEqual([]);
}, 60_000);

test("a page of another site cannot act as a signed-in user", async () => {
  const response = await fetch(`${gateway.web}/logout`, {
    method: "POST",
    headers: { origin: "https://evil.example" },
  });
  expect(response.status).toBe(403);
});
