/** People come in, are given rights and lose them: in both languages, in a real browser, with one-time passwords as apps make them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createPerson, startDemo, type RunningDemo } from "@codex-gateway/demo";
import { base32 } from "oslo/encoding";
import { generateHOTP } from "oslo/otp";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { openPageOf } from "./person-page.ts";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let demo: RunningDemo;
let browser: Browser;
beforeAll(async () => {
  demo = await startDemo({ port: "0", apiPort: "0", folder: demoFolder, balanceUsd: "5" });
  browser = await launchBrowser(["--host-resolver-rules=MAP gateway.test 127.0.0.1"]);
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

const password = "password-of-somebody";
const anAddress = (name: string) => `${name}-${Math.random().toString(36).slice(2)}@example.com`;
const passwordAt = (secret: string, stepsOff: number) =>
  generateHOTP(base32.decode(secret.replace(/\s/g, ""), { strict: false }), Math.floor(Date.now() / 30_000) + stepsOff);

type AxeResult = { violations: { id: string; nodes: { target: string[] }[] }[] };

/** In both themes; what opens fades in, and is looked at when it is there. */
async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axeSource);
  for (const theme of ["light", "dark"]) {
    await page.evaluate(`document.documentElement.dataset.theme = "${theme}"`);
    await page.waitForTimeout(400);
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: { run(): Promise<AxeResult> } }).axe.run(),
    );
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
    expect(found, `${page.url()} ${theme}`).toEqual([]);
  }
}

const words = {
  "zh-CN": {
    invites: "邀请链接",
    viewer: "查看者",
    uses: "可用次数",
    create: "生成邀请链接",
    invited: "您受邀加入",
    email: "邮箱",
    password: "密码",
    accept: "创建账户",
    overview: "系统概览",
    readOnly: "您的角色是查看者",
    turnOn: "开启两步验证",
    current: "当前密码",
    code: "验证码",
    confirm: "确认并开启",
    saved: "保存您的恢复码",
    logIn: "登录",
    verify: "验证",
    wrong: "验证码错误或已使用",
    newKey: "创建新密钥",
    keyName: "密钥名称",
    createKey: "创建",
    users: "用户管理",
    suspend: "暂停",
    activate: "激活",
    asked: "暂停该用户？",
    undo: "撤销",
    suspended: "已暂停",
    activated: "已激活",
    gone: "链接已失效",
    closeSaved: "我已保存",
  },
  "en-US": {
    invites: "Invitations",
    viewer: "Viewer",
    uses: "Number of uses",
    create: "Create invitation link",
    invited: "You are invited",
    email: "Email",
    password: "Password",
    accept: "Create account",
    overview: "Overview",
    readOnly: "Your role is viewer",
    turnOn: "Turn on two-factor log-in",
    current: "Current password",
    code: "Code",
    confirm: "Confirm and turn on",
    saved: "Save your recovery codes",
    logIn: "Log in",
    verify: "Verify",
    wrong: "The code is wrong or was used already",
    newKey: "Create a key",
    keyName: "Name",
    createKey: "Create",
    users: "Users",
    suspend: "Suspend",
    activate: "Activate",
    asked: "Suspend this user?",
    undo: "Undo",
    suspended: "was suspended",
    activated: "was activated",
    gone: "This link no longer works",
    closeSaved: "I have saved it",
  },
} as const;

describe.each(["zh-CN", "en-US"] as const)("in %s", (locale) => {
  const t = words[locale];

  test("an invitation, a password, a second factor, a key", async () => {
    const web = demo.web.replace("localhost", "gateway.test");
    const boss = await openPageOf(browser, demo.ownerSession, web, { locale });
    await boss.goto(`${web}/admin/users`, { waitUntil: "networkidle" });
    await boss.getByRole("link", { name: t.invites }).click();
    await boss.getByText(t.viewer, { exact: true }).first().click();
    await boss.getByLabel(t.uses).fill("0");
    await boss.getByRole("button", { name: t.create }).click();
    await expect.poll(() => boss.evaluate("document.activeElement.id")).toBe("maxUses");
    await boss.getByLabel(t.uses).fill("1");
    await expectAccessible(boss);
    await boss.getByRole("button", { name: t.create }).click();
    const link = (await boss.getByTestId("secret-link").innerText()).trim();
    // At the host where the page was opened, for whoever is on that network.
    expect(link.startsWith(`${web}/invite/`)).toBe(true);

    const page = await (await browser.newContext({ locale })).newPage();
    await page.goto(link, { waitUntil: "networkidle" });
    await page.getByRole("heading", { name: t.invited }).waitFor();
    await expectAccessible(page);
    const email = anAddress("invited");
    await page.getByLabel(t.email).fill(email);
    await page.getByLabel(t.password).fill(password);
    await page.getByRole("button", { name: t.accept }).click();
    await page.getByRole("heading", { name: t.overview, exact: true }).waitFor();
    await page.getByText(t.readOnly).waitFor();
    const late = await (await browser.newContext({ locale })).newPage();
    expect((await late.goto(link))?.status()).toBe(404);
    await late.getByRole("heading", { name: t.gone }).waitFor();

    await page.goto(`${web}/account`, { waitUntil: "networkidle" });
    await page.locator("#begin-current").fill(password);
    await page.getByRole("button", { name: t.turnOn }).click();
    const secret = (await page.getByTestId("totp-secret").innerText()).trim();
    await expectAccessible(page);
    await page.locator("#code").fill(await passwordAt(secret, -1));
    await page.getByRole("button", { name: t.confirm }).click();
    await page.getByText(t.saved).waitFor();
    const codes = (await page.getByTestId("recovery-codes").innerText()).trim().split("\n");
    expect(codes).toHaveLength(10);
    await expectAccessible(page);

    await page.context().clearCookies();
    await page.goto(`${web}/login?next=/api-keys`, { waitUntil: "networkidle" });
    await page.locator("#email").fill(email);
    await page.locator("#password").fill(password);
    await page.getByRole("button", { name: t.logIn }).click();
    await page.locator("#code").fill("000000");
    await expectAccessible(page);
    await page.getByRole("button", { name: t.verify }).click();
    await page.getByText(t.wrong).waitFor();
    await page.locator("#code").fill(await passwordAt(secret, 0));
    await page.getByRole("button", { name: t.verify }).click();
    await page.getByRole("button", { name: t.newKey }).first().click();
    await page.getByLabel(t.keyName, { exact: true }).fill("laptop");
    await page.getByRole("button", { name: t.createKey, exact: true }).click();
    expect(await page.getByTestId("new-secret").innerText()).toMatch(/^sk-cg-/);
    await expectAccessible(page);
    await page.getByRole("button", { name: t.closeSaved }).click();
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).not.toBe("BODY");
    for (const each of [boss, page, late]) await each.context().close();
  }, 120_000);

  test("an admin suspends, is asked before, and takes it back", async () => {
    const email = anAddress("suspended");
    const person = createPerson(demo.web);
    await person.api.auth.register.mutate({ email, password });
    const page = await openPageOf(browser, demo.ownerSession, demo.web, { locale });
    await page.goto(`${demo.web}/admin/users?search=${email}`, { waitUntil: "networkidle" });
    const statusOf = async () =>
      (await demo.ownerSession.api.admin.users.list.query({ search: email })).users[0]?.status;
    const button = page.getByRole("button", { name: `${t.suspend} ${email}` });
    await button.click();
    await page.getByRole("dialog", { name: t.asked }).waitFor();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    // The focus is where it was, and nothing has happened.
    await expect
      .poll(() => page.evaluate("document.activeElement.getAttribute('aria-label')"))
      .toBe(`${t.suspend} ${email}`);
    expect(await statusOf()).toBe("active");
    await button.click();
    await page.getByRole("dialog").getByRole("button", { name: t.suspend, exact: true }).click();
    await page.getByText(t.suspended).waitFor();
    expect(await statusOf()).toBe("suspended");
    await expectAccessible(page);
    await page.getByRole("button", { name: t.undo }).click();
    await page.getByText(t.activated).waitFor();
    expect(await statusOf()).toBe("active");
    await page.context().close();
  }, 60_000);
});

test("without JavaScript: a user is added, chooses a password by the link, makes a key, and invites once an admin", async () => {
  const plain = { javaScriptEnabled: false };
  const boss = await openPageOf(browser, demo.ownerSession, demo.web, plain);
  const email = anAddress("plain");
  await boss.goto(`${demo.web}/admin/users/new`);
  await boss.getByLabel("邮箱").fill(email);
  await boss.getByLabel("管理员").check();
  await boss.getByRole("button", { name: "创建用户" }).click();
  const link = (await boss.getByTestId("secret-link").innerText()).trim();
  const page = await (await browser.newContext({ locale: "zh-CN", ...plain })).newPage();
  await page.goto(link);
  await page.getByLabel("新密码").fill(password);
  await page.getByRole("button", { name: "保存密码" }).click();
  await page.getByRole("heading", { name: "系统概览" }).waitFor();
  await page.goto(`${demo.web}/api-keys`);
  await page.getByLabel("密钥名称").fill("plain");
  await page.getByRole("button", { name: "创建", exact: true }).click();
  expect(await page.getByTestId("new-secret").innerText()).toMatch(/^sk-cg-/);
  await page.goto(`${demo.web}/admin/invites`);
  await page.getByRole("button", { name: "生成邀请链接" }).click();
  expect(await page.getByTestId("secret-link").innerText()).toContain("/invite/");
  for (const each of [boss, page]) await each.context().close();
}, 60_000);

test("an admin gives a role, ends sessions, makes a reset link and deletes; the ownership goes over with acceptance", async () => {
  const email = anAddress("managed");
  const person = createPerson(demo.web);
  await person.api.auth.register.mutate({ email, password });
  const { id } = (await person.api.auth.me.query())!;
  const page = await openPageOf(browser, demo.ownerSession, demo.web, { locale: "en-US" });
  await page.goto(`${demo.web}/admin/users/${id}`, { waitUntil: "networkidle" });
  expect(await page.title()).toBe(`${email} · Users · Codex Gateway`);
  await page.getByLabel("Change role").selectOption("admin");
  await page.getByRole("button", { name: "Change role" }).click();
  await page.getByText("The role is now Administrator").waitFor();
  expect(await person.api.auth.me.query()).toBeNull();
  await person.api.auth.login.mutate({ email, password });
  await page.reload({ waitUntil: "networkidle" });
  await page.getByRole("button", { name: "End all sessions" }).click();
  await page.getByText("1 session was ended").waitFor();
  await page.getByRole("button", { name: "Create reset link" }).click();
  const link = (await page.getByTestId("secret-link").innerText()).trim();
  await expectAccessible(page);
  await page.getByRole("button", { name: "I have saved it" }).click();
  await expect.poll(() => page.evaluate("document.activeElement.textContent")).toContain("Create reset link");
  const other = await (await browser.newContext({ locale: "en-US" })).newPage();
  await other.goto(link, { waitUntil: "networkidle" });
  await expectAccessible(other);
  await other.locator("#password").fill("another password");
  await other.getByRole("button", { name: "Save password" }).click();
  await other.getByRole("heading", { name: "Overview" }).waitFor();

  await page.goto(`${demo.web}/account`, { waitUntil: "networkidle" });
  await page.locator("#new-owner").fill(email);
  await page.locator("#ownership-current").fill(demo.owner.password);
  await page.getByRole("button", { name: "Offer ownership" }).click();
  await page.getByText(`Offered to ${email}`).waitFor();
  await other.goto(`${demo.web}/account`, { waitUntil: "networkidle" });
  await other.getByRole("heading", { name: "You are asked to become the owner" }).waitFor();
  await expectAccessible(other);
  await other.getByRole("button", { name: "Decline" }).click();
  await other.getByRole("heading", { name: "You are asked to become the owner" }).waitFor({ state: "detached" });

  await page.goto(`${demo.web}/admin/users/${id}`, { waitUntil: "networkidle" });
  await page.getByRole("button", { name: "Delete user" }).click();
  await expectAccessible(page);
  await page.getByLabel(/^Type .* to confirm$/).fill("wrong@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Delete user" }).click();
  await page.getByText("This is not the user's e-mail address.").waitFor();
  await page.getByLabel(/^Type .* to confirm$/).fill(email);
  await page.getByRole("dialog").getByRole("button", { name: "Delete user" }).click();
  await page.getByText("The user was deleted.").waitFor();
  for (const each of [page, other]) await each.context().close();
}, 120_000);
