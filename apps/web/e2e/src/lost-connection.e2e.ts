/** The connection breaks, or a proxy answers in the server's place: no page is taken away, and what was typed stays. */
import { randomUUID } from "node:crypto";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { openPageOf } from "./person-page.ts";

let demo: RunningDemo;
let browser: Browser;
beforeAll(async () => {
  demo = await startDemo({ port: "0", apiPort: "0", folder: demoFolder, balanceUsd: "5" });
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

const badGateway = (route: Route) =>
  route.fulfill({ status: 502, contentType: "text/html", body: "<h1>502 Bad Gateway</h1>" });
const cutOff = (route: Route) => route.abort("connectionreset");
const answers = [
  ["a proxy answers 502", badGateway],
  ["the connection is reset", cutOff],
] as const;

const languages = [
  ["zh-CN", "连接中断，无法确认是否已提交", "连接已中断，正在重试"],
  ["en-US", "The connection was lost, so it is not known", "Connection lost. Trying again"],
] as const;

const cases = languages.flatMap(([locale, lost, waiting]) =>
  answers.map(([what, answer]) => ({ locale, lost, waiting, what, answer })),
);

const submits = (answer: (route: Route) => Promise<void>) => (route: Route) =>
  route.request().method() === "POST" ? answer(route) : route.continue();

test.each(cases)(
  "$locale: $what when a form is sent",
  async ({ locale, lost, answer }) => {
    const page = await openPageOf(browser, demo.ownerSession, demo.web, { locale });
    await page.goto(`${demo.web}/admin/settings`, { waitUntil: "networkidle" });
    const text = `maintenance ${randomUUID()}`;
    await page.locator("#announcement").fill(text);
    await page.route("**/*.data*", submits(answer));
    await page.locator("main header button[type=submit]").click();
    await page.getByText(lost).waitFor();
    expect(await page.locator("#announcement").inputValue()).toBe(text);
    expect(await page.locator("html").getAttribute("lang")).toBe(locale === "zh-CN" ? "zh-CN" : "en");
    // And then it can be sent, from the same form.
    await page.unroute("**/*.data*");
    await page.locator("main header button[type=submit]").click();
    await expect.poll(async () => (await demo.ownerSession.api.admin.settings.get.query()).announcement).toBe(text);
    await page.context().close();
  },
  60_000,
);

test.each(cases)(
  "$locale: $what when a dialog's form is sent",
  async ({ locale, lost, answer }) => {
    const page = await openPageOf(browser, demo.userSession, demo.web, { locale });
    await page.goto(`${demo.web}/api-keys?create`, { waitUntil: "networkidle" });
    await page.locator("#name").fill("in the train");
    await page.route("**/*.data*", submits(answer));
    await page.locator("#name").press("Enter");
    await page.getByRole("dialog").getByText(lost).waitFor();
    expect(await page.locator("#name").inputValue()).toBe("in the train");
    await page.context().close();
  },
  60_000,
);

test.each(cases)(
  "$locale: $what when the log-in is sent",
  async ({ locale, lost, answer }) => {
    const page = await (await browser.newContext({ locale })).newPage();
    await page.goto(`${demo.web}/login`, { waitUntil: "networkidle" });
    await page.locator("#email").fill("somebody@example.com");
    await page.locator("#password").fill("a password of mine");
    await page.route("**/*.data*", submits(answer));
    await page.locator("#password").press("Enter");
    await page.getByText(lost).waitFor();
    expect([await page.locator("#email").inputValue(), await page.locator("#password").inputValue()]).toEqual([
      "somebody@example.com",
      "a password of mine",
    ]);
    await page.context().close();
  },
  60_000,
);

test.each(cases)(
  "$locale: $what when another page is asked for: it comes as soon as it can",
  async ({ locale, waiting, answer }) => {
    const page = await openPageOf(browser, demo.userSession, demo.web, { locale });
    await page.goto(`${demo.web}/usage`, { waitUntil: "networkidle" });
    await page.goto(`${demo.web}/account`, { waitUntil: "networkidle" });
    // Its script is there, its data is not.
    await page.locator('nav a[href="/usage"]').first().hover();
    await page.waitForLoadState("networkidle");
    await page.locator("#email").fill("typed@example.com");
    await page.route("**/*.data*", answer);
    await page.locator('nav a[href="/usage"]').first().click();
    await page.getByText(waiting).waitFor();
    expect(new URL(page.url()).pathname).toBe("/account");
    await page.unroute("**/*.data*");
    await page.waitForURL("**/usage");
    await page.getByText(waiting).waitFor({ state: "detached" });
    await page.context().close();
  },
  60_000,
);

test("a secret that was made is shown, although the list behind it cannot be asked for", async () => {
  const page: Page = await openPageOf(browser, demo.userSession, demo.web);
  await page.goto(`${demo.web}/api-keys?create`, { waitUntil: "networkidle" });
  await page.locator("#name").fill("just in time");
  await page.route("**/*.data*", (route) => (route.request().method() === "GET" ? cutOff(route) : route.continue()));
  await page.locator("#name").press("Enter");
  await page.getByTestId("new-secret").waitFor();
  await page.getByText("连接已中断，正在重试").waitFor();
  expect(await page.getByTestId("new-secret").innerText()).toMatch(/^sk-cg-/);
  await page.context().close();
}, 60_000);
