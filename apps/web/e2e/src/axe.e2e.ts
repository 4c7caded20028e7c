/** Every page, full of data, light and dark: axe finds nothing, the console stays silent, and little JavaScript is sent. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { RunningDemo } from "@codex-gateway/demo";
import type { Browser, Page } from "playwright-core";
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

const pages = (userId: string) =>
  [
    ["", ["/login", "/register"]],
    ["user", ["/dashboard", "/api-keys", "/api-keys?create", "/usage", "/account", "/nowhere"]],
    [
      "owner",
      [
        "/admin",
        "/admin/users",
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
      page.on("console", (message) => {
        if (message.type() === "error" && !message.text().includes("404"))
          found.push(`${page.url()}: ${message.text()}`);
      });
      for (const address of addresses) {
        const scripts: Promise<number>[] = [];
        const count = (response: { url(): string; body(): Promise<Buffer> }) => {
          if (response.url().endsWith(".js")) scripts.push(response.body().then((body) => gzipSync(body).length));
        };
        page.on("response", count);
        await page.goto(demo.web + address, { waitUntil: "networkidle" });
        page.off("response", count);
        const bytes = (await Promise.all(scripts)).reduce((sum, each) => sum + each, 0);
        if (bytes > maxScriptBytes) found.push(`${address}: ${bytes} bytes of JavaScript`);
        for (const violation of await violationsOf(page)) found.push(`${address} ${violation}`);
      }
      await context.close();
    }
    expect(found).toEqual([]);
  },
  120_000,
);
