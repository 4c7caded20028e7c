/** The life of an API key in its owner's browser: made with limits, changed, disabled and enabled, given another secret. */
import { randomUUID } from "node:crypto";
import { createPerson, startDemo, type Person, type RunningDemo } from "@codex-gateway/demo";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { anyPorts } from "./demo-folder.ts";
import { openPageOf } from "./person-page.ts";

let demo: RunningDemo;
let browser: Browser;
let person: Person;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  browser = await launchBrowser();
  person = createPerson(demo.web);
  await person.api.auth.register.mutate({ email: `${randomUUID()}@example.com`, password: "password-of-somebody" });
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

async function openKeys(address = "/api-keys", locale = "zh-CN"): Promise<Page> {
  const page = await openPageOf(browser, person, demo.web, { locale });
  await page.goto(demo.web + address, { waitUntil: "networkidle" });
  return page;
}

/** Reading is free, and every key that works may read. */
const statusOf = async (secret: string) =>
  (await fetch(`${demo.api}/models`, { headers: { authorization: `Bearer ${secret}` } })).status;

const focused = (page: Page) => page.evaluate("document.activeElement.id");
const isChecked = (page: Page, name: string) => page.getByRole("checkbox", { name, exact: true }).isChecked();

/** The one row of the list. */
const cells = async (page: Page) => (await page.locator("tbody tr td").allInnerTexts()).map((text) => text.trim());

let secret: string;

test("a key is made with every limit that there is; what is wrong is said beside its field, which gets the focus", async () => {
  const page = await openKeys("/api-keys?create");
  await page.getByLabel("密钥名称").fill("laptop");
  await page.getByText("限额与有效期").click();
  await page.getByLabel("每日预算").fill("2.5");
  await page.getByLabel("每月预算").fill("a lot");
  await page.getByLabel("每分钟Token数").fill("10000");
  await page.getByLabel("允许的来源地址").fill("somewhere");
  await page.getByRole("button", { name: "创建", exact: true }).click();
  await page.getByText("请输入美元金额").waitFor();
  await page.getByText("请输入 IP 或网段").waitFor();
  await expect.poll(() => focused(page)).toBe("monthlyBudgetUsd");
  await page.getByLabel("每月预算").fill("30");
  await page.getByLabel("允许的来源地址").fill("127.0.0.0/8，::1");
  await page.getByLabel("允许的模型").fill("gpt-5*, gpt-4o-mini");
  await page.getByRole("checkbox", { name: "responses", exact: true }).check();
  await page.getByLabel("有效期至").fill("2099-01-15");
  await page.getByRole("button", { name: "创建", exact: true }).click();
  secret = (await page.getByTestId("new-secret").innerText()).trim();
  // What is shown once goes away by its own button alone, and the focus goes back to what opened it all.
  await page.mouse.click(2, 2);
  await page.keyboard.press("Escape");
  await page.getByTestId("new-secret").waitFor();
  await page.getByRole("button", { name: "我已保存" }).click();
  await page.getByRole("button", { name: "编辑“laptop”" }).waitFor();
  const [name, masked, status, , used, limits] = await cells(page);
  expect([name, masked, status, used]).toEqual(["laptop", expect.stringContaining("…"), "启用", "从未"]);
  expect(limits).toBe(
    "$2.50/日 · $30.00/月 · 10,000 tokens/分 · 仅模型 gpt-5*, gpt-4o-mini · 仅接口 responses · 仅来自 127.0.0.0/8, ::1 · 至 2099-01-15",
  );
  expect(await statusOf(secret)).toBe(200);
});

test("the key is changed by the same form, which comes with what the key has", async () => {
  const page = await openKeys();
  await page.getByRole("button", { name: "编辑“laptop”" }).click();
  expect(await page.getByLabel("每日预算").inputValue()).toBe("2.50");
  expect(await page.getByLabel("每月预算").inputValue()).toBe("30");
  expect(await page.getByLabel("允许的来源地址").inputValue()).toBe("127.0.0.0/8, ::1");
  expect(await page.getByLabel("有效期至").inputValue()).toBe("2099-01-15");
  expect([await isChecked(page, "responses"), await isChecked(page, "embeddings")]).toEqual([true, false]);
  await page.getByLabel("密钥名称").fill("desk");
  await page.getByLabel("每分钟请求数").fill("0");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByText("至少为 1").waitFor();
  await expect.poll(() => focused(page)).toBe("requestsPerMinute");
  expect(await page.getByLabel("密钥名称").inputValue()).toBe("desk");
  await page.keyboard.press("Escape");

  // Opened again, it says nothing of the last time.
  await page.getByRole("button", { name: "编辑“laptop”" }).click();
  expect(await page.getByText("至少为 1").count()).toBe(0);
  await page.getByLabel("密钥名称").fill("desk");
  for (const label of ["每月预算", "每分钟Token数", "允许的模型", "有效期至"]) await page.getByLabel(label).fill("");
  await page.getByLabel("允许的来源地址").fill("203.0.113.7");
  await page.getByRole("checkbox", { name: "responses", exact: true }).uncheck();
  await page.getByRole("button", { name: "保存" }).dblclick();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await expect.poll(async () => (await cells(page))[5]).toBe("$2.50/日 · 仅来自 203.0.113.7");
  await expect.poll(() => statusOf(secret), { timeout: 1_000 }).toBe(403);

  await page.getByRole("button", { name: "编辑“desk”" }).click();
  await page.getByLabel("允许的来源地址").fill("");
  await page.getByRole("button", { name: "保存" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await expect.poll(() => statusOf(secret), { timeout: 1_000 }).toBe(200);
});

test("a disabled key is refused within a second, and works again when it is enabled", async () => {
  const page = await openKeys();
  await page.getByRole("button", { name: "停用“desk”" }).click();
  await page.getByText("已停用").waitFor();
  await expect.poll(() => statusOf(secret), { timeout: 1_000 }).toBe(403);
  await page.getByRole("button", { name: "启用“desk”" }).click();
  await page.getByRole("button", { name: "停用“desk”" }).waitFor();
  await expect.poll(() => statusOf(secret), { timeout: 1_000 }).toBe(200);
});

test("a rotated key has two secrets for a day; rotated without grace it has the new one alone", async () => {
  const page = await openKeys("/api-keys", "en-US");
  await page.getByRole("button", { name: "Rotate “desk”" }).click();
  await page.getByRole("button", { name: "Rotate", exact: true }).dblclick();
  await page.getByText("The key has a new secret").waitFor();
  const second = (await page.getByTestId("new-secret").innerText()).trim();
  await page.getByRole("button", { name: "I have saved it" }).click();
  await page.getByText("Old secret works until").waitFor();
  expect(second).not.toBe(secret);
  expect([await statusOf(secret), await statusOf(second)]).toEqual([200, 200]);
  expect((await cells(page))[1]?.slice(-4)).toBe(second.slice(-4));

  await page.getByRole("button", { name: "Rotate “desk”" }).click();
  await page.getByLabel("The old secret").selectOption("stops working at once");
  await page.getByRole("button", { name: "Rotate", exact: true }).click();
  await page.getByTestId("new-secret").waitFor();
  const third = (await page.getByTestId("new-secret").innerText()).trim();
  await expect.poll(() => statusOf(second), { timeout: 1_000 }).toBe(401);
  expect([await statusOf(secret), await statusOf(third)]).toEqual([401, 200]);
});

test("a key that has another secret by now is not rotated again from an old page", async () => {
  const page = await openKeys();
  const [key] = await person.api.keys.list.query();
  await page.getByRole("button", { name: "轮换“desk”" }).click();
  // Who leaves the grace open is asked for it: no secret ends because somebody said nothing.
  const unsaid = person.api.keys.rotate.mutate({ keyId: key!.id, masked: key!.masked, graceHours: "" });
  await expect(unsaid).rejects.toMatchObject({ data: { fields: { graceHours: "Enter a number of hours." } } });
  await person.api.keys.rotate.mutate({ keyId: key!.id, masked: key!.masked, graceHours: 0 });
  await page.getByRole("button", { name: "轮换", exact: true }).click();
  await page.getByText("该密钥已被更换").waitFor();
  expect(await page.getByTestId("new-secret").count()).toBe(0);
});

test("the log tells the admins each of these acts", async () => {
  const page = await openPageOf(browser, demo.ownerSession, demo.web);
  await page.goto(`${demo.web}/admin/logs?action=update_key`);
  await page.getByText("名称: laptop → desk").waitFor();
  await page.getByText("每月预算: $30.00 → —").waitFor();
  const actions = await demo.ownerSession.api.admin.logs.actions.query();
  expect(actions).toEqual(expect.arrayContaining(["update_key", "disable_key", "enable_key", "rotate_key"]));
});
