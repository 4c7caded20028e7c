/** Every page in both languages, both themes, on a desktop and a phone, full and empty: to be looked at. */
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startDemo, startGatewayProcess, type GatewayProcess, type RunningDemo } from "@codex-gateway/demo";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { startFullHouse } from "./full-house.ts";

const folder = fileURLToPath(new URL("../../../../screenshots", import.meta.url));
const only = process.env.SHOTS;

let browser: Browser;
let fresh: GatewayProcess;
let full: RunningDemo;
let empty: RunningDemo;
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  browser = await launchBrowser();
  full = await startFullHouse();
  empty = await startDemo({ port: "0", apiPort: "0", folder: demoFolder });
  fresh = await startGatewayProcess({
    PORT: "0",
    API_PORT: "0",
    HOST: "127.0.0.1",
    DATA_FOLDER: `${demoFolder}/shots-${randomUUID()}`,
    DATABASE_URL: "",
    PUBLIC_URL: "",
    SECRET_KEY: "",
  });
}, 120_000);
afterAll(async () => {
  await browser.close();
  await full.stop();
  await empty.stop();
  await fresh.stop();
});

const strangerPages = ["/login", "/register"];
const userPages = ["/dashboard", "/api-keys", "/api-keys?create", "/usage", "/account", "/nowhere"];
const adminPages = (userId: string) => [
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
];

const looks = ["zh-CN", "en"].flatMap((language) =>
  ["light", "dark"].flatMap((theme) => (["desktop", "phone"] as const).map((device) => ({ language, theme, device }))),
);

type Look = (typeof looks)[number];

async function aContext({ language, theme, device }: Look, url: string, cookie = ""): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: device === "phone" ? { width: 390, height: 844 } : { width: 1280, height: 860 },
    locale: language,
    timezoneId: "Asia/Shanghai",
  });
  await context.addCookies([
    { name: "language", value: language, url },
    { name: "theme", value: theme, url },
    { name: "time-zone", value: "Asia%2FShanghai", url },
    ...(cookie ? [{ name: "session", value: cookie.slice("session=".length), url }] : []),
  ]);
  return context;
}

/** The whole page; of a dialog what is seen, since its backdrop covers no more. */
const save = (page: Page, name: string, { language, theme, device }: Look) =>
  page.screenshot({
    path: path.join(folder, `${name}-${language}-${theme}-${device}.png`),
    fullPage: !name.startsWith("dialog"),
  });

async function shoot(demo: RunningDemo, name: string, look: Look): Promise<number> {
  let shots = 0;
  for (const [who, cookie, pages] of [
    ["stranger", "", strangerPages],
    ["user", demo.userSession.cookie(), userPages],
    ["admin", demo.ownerSession.cookie(), adminPages(demo.userId)],
  ] as const) {
    const context = await aContext(look, demo.web, cookie);
    const page = await context.newPage();
    for (const address of pages) {
      await page.goto(demo.web + address, { waitUntil: "networkidle" });
      const title = address.replace(demo.userId, "id").replace(/[^\w]+/g, "-");
      await save(page, `${name}-${who}${title}`, look);
      shots++;
    }
    await context.close();
  }
  return shots;
}

/** The wizard's three steps. */
async function shootSetup(look: Look): Promise<void> {
  const context = await aContext(look, fresh.web);
  const page = await context.newPage();
  await page.goto(`${fresh.web}/setup?token=${fresh.setupToken}`, { waitUntil: "networkidle" });
  await save(page, "setup-1", look);
  await page.locator("#email").fill("admin@example.com");
  await page.locator("#password").fill("a good password");
  await page.locator("#confirm").fill("a good password");
  const next = page.locator("form button").last();
  await next.click();
  await save(page, "setup-2", look);
  await page.locator("#apiKey").fill("sk-proj-0123456789");
  await next.click();
  await save(page, "setup-3", look);
  await context.close();
}

/** What opens over a page: a new secret, why a request cost what it did, a balance to adjust. */
async function shootDialogs(look: Look): Promise<void> {
  const user = await aContext(look, full.web, full.userSession.cookie());
  const page = await user.newPage();
  await page.goto(`${full.web}/usage`, { waitUntil: "networkidle" });
  await page.locator("td button").first().click();
  await page.locator("dialog, [role=dialog] dl").waitFor();
  await save(page, "dialog-why", look);
  await page.goto(`${full.web}/api-keys?create`, { waitUntil: "networkidle" });
  await page.locator("#name").fill(`${look.language} ${look.theme} ${look.device}`);
  await page.keyboard.press("Enter");
  await page.getByTestId("new-secret").waitFor();
  await save(page, "dialog-secret", look);
  await user.close();
  const admin = await aContext(look, full.web, full.ownerSession.cookie());
  const adminPage = await admin.newPage();
  await adminPage.goto(`${full.web}/admin/users/${full.userId}`, { waitUntil: "networkidle" });
  await adminPage.locator("dt button").click();
  await adminPage.locator("#amountUsd").fill("100");
  await save(adminPage, "dialog-adjust", look);
  await admin.close();
}

const chosen = looks.filter(({ language, theme, device }) => !only || `${language} ${theme} ${device}`.includes(only));

test.each(chosen)(
  "screenshots: $language $theme $device",
  async (look) => {
    const perHouse = strangerPages.length + userPages.length + adminPages("").length;
    expect(await shoot(full, "full", look)).toBe(perHouse);
    expect(await shoot(empty, "empty", look)).toBe(perHouse);
    await shootSetup(look);
    await shootDialogs(look);
  },
  180_000,
);
