/** Every page, full of data, light and dark: axe finds nothing, the console stays silent, and little JavaScript is sent. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { RunningDemo } from "@codex-gateway/demo";
import type { Browser, ConsoleMessage, Page, Response } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { startFullHouse } from "./full-house.ts";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const maxScriptBytes = 200 * 1024;

let demo: RunningDemo;
let browser: Browser;
beforeAll(async () => {
  demo = await startFullHouse();
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

type AxeResult = { violations: { id: string; nodes: { target: string[] }[] }[] };

async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResult> } }).axe.run(),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

type Visit = { errors: string[]; scriptBytes: number };

/**
 * What the console said and how much script came. Chromium breaks off what is under way when a network interface of the
 * machine comes or goes, as containers' do; no page can cause that, so such a visit is made again.
 */
async function visit(page: Page, url: string, triesLeft = 3): Promise<Visit> {
  const errors: string[] = [];
  const scripts: Promise<number>[] = [];
  const listen = (message: ConsoleMessage) => {
    if (message.type() === "error" && !message.text().includes("404")) errors.push(message.text());
  };
  const count = (response: Response) => {
    if (!response.url().endsWith(".js")) return;
    scripts.push(response.body().then((body) => gzipSync(body).length));
  };
  page.on("console", listen).on("response", count);
  try {
    await page.goto(url, { waitUntil: "networkidle" });
    const sizes = await Promise.all(scripts);
    if (triesLeft > 0 && errors.some(isNetworkChange)) return await visit(page, url, triesLeft - 1);
    return { errors, scriptBytes: sizes.reduce((sum, size) => sum + size, 0) };
  } catch (error) {
    if (triesLeft > 0 && isNetworkChange(String(error))) return await visit(page, url, triesLeft - 1);
    throw error;
  } finally {
    page.off("console", listen).off("response", count);
  }
}

const isNetworkChange = (message: string): boolean => message.includes("ERR_NETWORK_CHANGED");

const pages = (userId: string) =>
  [
    ["", ["/login", "/register", "/reset", "/reset/nobodys", "/invite/nobodys"]],
    ["user", ["/dashboard", "/api-keys", "/api-keys?create", "/usage", "/account", "/nowhere"]],
    [
      "owner",
      [
        "/admin",
        "/admin/users",
        "/admin/users/new",
        "/admin/invites",
        `/admin/users/${userId}`,
        "/admin/codes",
        "/admin/prices",
        "/admin/prices/gpt-5-mini",
        "/admin/prices/proposals",
        "/admin/upstreams",
        "/admin/settings",
        "/admin/logs",
      ],
    ],
  ] as const;

test.each(["light", "dark"])(
  "in %s",
  async (theme) => {
    const found: string[] = [];
    for (const [who, addresses] of pages(demo.userId)) {
      const context = await browser.newContext({ locale: "zh-CN" });
      const session = who === "" ? null : who === "user" ? demo.userSession : demo.ownerSession;
      await context.addCookies([
        { name: "theme", value: theme, url: demo.web },
        ...(session ? [{ name: "session", value: session.cookie().slice("session=".length), url: demo.web }] : []),
      ]);
      const page = await context.newPage();
      for (const address of addresses) {
        const { errors, scriptBytes } = await visit(page, demo.web + address);
        for (const error of errors) found.push(`${address}: ${error}`);
        if (scriptBytes > maxScriptBytes) found.push(`${address}: ${scriptBytes} bytes of JavaScript`);
        for (const violation of await violationsOf(page)) found.push(`${address} ${violation}`);
      }
      await context.close();
    }
    expect(found).toEqual([]);
  },
  120_000,
);
