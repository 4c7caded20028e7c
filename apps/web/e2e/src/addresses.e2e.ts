/** Pages opened at a name of the network, on plain http: what is copied is on the clipboard, and commands name that host. */
import type { RunningDemo } from "@codex-gateway/demo";
import { startDemo } from "@codex-gateway/demo";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { openPageOf } from "./person-page.ts";

let demo: RunningDemo;
let browser: Browser;
let web: string;
beforeAll(async () => {
  demo = await startDemo({ port: "0", apiPort: "0", folder: demoFolder, balanceUsd: "5" });
  browser = await launchBrowser(["--host-resolver-rules=MAP gateway.test 127.0.0.1"]);
  web = demo.web.replace("localhost", "gateway.test");
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

/** What a paste brings: a page on plain http may not read the clipboard. */
async function pasted(page: Page): Promise<string> {
  await page.evaluate(`document.body.insertAdjacentHTML("beforeend", "<dialog id=probe><textarea id=pasted></textarea></dialog>");
    document.querySelector("#probe").showModal(); document.querySelector("#pasted").focus()`);
  await page.keyboard.press("Control+V");
  const text = await page.locator("#pasted").inputValue();
  await page.evaluate(`document.querySelector("#probe").remove()`);
  return text;
}

async function createKey(page: Page, name: string): Promise<string> {
  await page.goto(`${web}/api-keys?create`, { waitUntil: "networkidle" });
  await page.locator("#name").fill(name);
  await page.locator("#name").press("Enter");
  return (await page.getByTestId("new-secret").innerText()).trim();
}

test("the secret is on the clipboard, and so is each snippet, which names the host", async () => {
  const page = await openPageOf(browser, demo.userSession, web);
  const secret = await createKey(page, "laptop");
  expect(await page.evaluate("window.isSecureContext")).toBe(false);
  await page.getByRole("button", { name: "复制密钥" }).click();
  await page.getByRole("button", { name: "已复制" }).waitFor();
  expect(await pasted(page)).toBe(secret);
  const apiUrl = demo.api.replace("localhost", "gateway.test");
  for (const name of ["curl", "Node", "Python", "Codex"]) {
    await page.getByRole("button", { name, exact: true }).click();
    await page.getByRole("button", { name: `复制 ${name}` }).click();
    await expect.poll(() => pasted(page)).toContain(apiUrl);
    const text = await pasted(page);
    expect([
      text.includes(secret),
      text.includes("localhost"),
      text === (await page.locator("pre").innerText()),
    ]).toEqual([true, false, true]);
  }
  const answer = await fetch(`${apiUrl.replace("gateway.test", "127.0.0.1")}/models`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  expect(answer.status).toBe(200);
}, 60_000);

test("where nothing can be copied it says so, and the secret is selected", async () => {
  const page = await openPageOf(browser, demo.userSession, web, { locale: "en-US" });
  const secret = await createKey(page, "desk");
  await page.evaluate("document.execCommand = () => false");
  await page.getByRole("button", { name: "Copy key" }).click();
  await page.getByText("Could not copy. The text is selected").first().waitFor();
  expect(String(await page.evaluate("String(getSelection())")).trim()).toBe(secret);
}, 60_000);
