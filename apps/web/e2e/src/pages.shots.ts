/** Every page in both languages, both themes, on devices of all widths, full and empty: to be looked at. */
import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startEmbeddedPostgres, type EmbeddedPostgres } from "@codex-gateway/db";
import {
  startDemo,
  startGatewayProcess,
  type GatewayProcess,
  type Person,
  type RunningDemo,
} from "@codex-gateway/demo";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { startFullHouse, type HouseLanguage } from "./full-house.ts";
import { gatewayEnv } from "./gateway-env.ts";

const folder = fileURLToPath(new URL("../../../../screenshots", import.meta.url));

const devices = {
  desktop: { width: 1280, height: 860 },
  phone: { width: 390, height: 844 },
  tablet: { width: 820, height: 1180 },
  wide: { width: 1920, height: 1080 },
  /** A window, twice as fine. */
  readme: { width: 1280, height: 820 },
};
const languages: HouseLanguage[] = ["zh-CN", "en"];

type Look = { language: HouseLanguage; theme: string; device: keyof typeof devices };

const looks: Look[] = [
  ...languages.flatMap((language) =>
    ["light", "dark"].flatMap((theme) =>
      (["desktop", "phone"] as const).map((device) => ({ language, theme, device })),
    ),
  ),
  { language: "zh-CN", theme: "light", device: "tablet" },
  { language: "en", theme: "dark", device: "tablet" },
  { language: "en", theme: "light", device: "wide" },
  { language: "zh-CN", theme: "dark", device: "wide" },
];

// SHOTS="en dark,tablet" makes only the looks that are named so.
const nameOf = ({ language, theme, device }: Look) => `${language} ${theme} ${device}`;
const chosen = looks.filter((look) => (process.env.SHOTS ?? "").split(",").some((part) => nameOf(look).includes(part)));

let browser: Browser;
let postgres: EmbeddedPostgres;
let fresh: GatewayProcess;
let empty: RunningDemo;
const full = new Map<HouseLanguage, RunningDemo>();
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  browser = await launchBrowser();
  for (const language of new Set(chosen.map((look) => look.language))) {
    full.set(language, await startFullHouse(language));
  }
  empty = await startDemo({ port: "0", apiPort: "0", folder: demoFolder });
  const shotsFolder = `${demoFolder}/shots-${randomUUID()}`;
  postgres = await startEmbeddedPostgres(path.join(shotsFolder, "postgres"));
  fresh = await startGatewayProcess(
    gatewayEnv({
      DATA_FOLDER: path.join(shotsFolder, "gateway"),
      DATABASE_URL: postgres.url,
    }),
  );
}, 120_000);
afterAll(async () => {
  await browser.close();
  for (const house of full.values()) await house.stop();
  await empty.stop();
  await fresh.stop();
});

const strangerPages = ["/login", "/register", "/setup"];
const userPages = ["/dashboard", "/api-keys", "/usage", "/account", "/nowhere", "/admin"];
const adminPages = (userId: string) => [
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
];

async function aContext(look: Look, url: string, person?: Person): Promise<BrowserContext> {
  const context = await browser.newContext({
    viewport: devices[look.device],
    deviceScaleFactor: look.device === "readme" ? 2 : 1,
    locale: look.language,
    timezoneId: "Asia/Shanghai",
  });
  await context.addCookies([
    { name: "language", value: look.language, url },
    { name: "theme", value: look.theme, url },
    { name: "time-zone", value: "Asia%2FShanghai", url },
    ...(person ? [{ name: "session", value: person.cookie().slice("session=".length), url }] : []),
  ]);
  return context;
}

/** What is seen, without what moves. */
const save = (page: Page, name: string, look: Look) =>
  page.screenshot({
    path: path.join(folder, `${name}-${nameOf(look).replaceAll(" ", "-")}.png`),
    animations: "disabled",
  });

/** The whole page, in a window as high as it is, so that what keeps its place in the window does so in the picture. */
async function saveWhole(page: Page, name: string, look: Look): Promise<void> {
  const { width, height } = devices[look.device];
  const whole = await page.locator("body").boundingBox();
  await page.setViewportSize({ width, height: Math.ceil(Math.max(whole?.height ?? 0, height)) });
  await save(page, name, look);
  await page.setViewportSize({ width, height });
}

async function shootPages(demo: RunningDemo, name: string, look: Look): Promise<number> {
  let shots = 0;
  for (const [who, person, pages] of [
    ["stranger", undefined, strangerPages],
    ["user", demo.userSession, userPages],
    ["admin", demo.ownerSession, adminPages(demo.userId)],
  ] as const) {
    const context = await aContext(look, demo.web, person);
    const page = await context.newPage();
    for (const address of pages) {
      await page.goto(demo.web + address, { waitUntil: "networkidle" });
      const title = address.replace(demo.userId, "id").replace(/[^\w]+/g, "-");
      await saveWhole(page, `${name}-${who}${title}`, look);
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

/** What opens over a user's pages, and what a pointer over the chart shows. */
async function shootUserDialogs(demo: RunningDemo, look: Look): Promise<void> {
  const context = await aContext(look, demo.web, demo.userSession);
  const page = await context.newPage();
  await page.goto(`${demo.web}/dashboard`, { waitUntil: "networkidle" });
  const chart = page.getByRole("img").first();
  await chart.scrollIntoViewIfNeeded();
  await chart.hover();
  await save(page, "chart-pointed", look);
  if (look.device === "phone") {
    await page.locator("header summary").click();
    await save(page, "menu", look);
  }
  await page.goto(`${demo.web}/usage`, { waitUntil: "networkidle" });
  await page.locator("td button").first().click();
  await page.getByRole("dialog").locator("dl").waitFor();
  await save(page, "dialog-why", look);
  await page.goto(`${demo.web}/api-keys?create`, { waitUntil: "networkidle" });
  await page.getByRole("dialog").locator("summary").click();
  await save(page, "dialog-create-key", look);
  await page.locator("#name").fill(look.language === "en" ? "My app" : "我的应用");
  await page.locator("#name").press("Enter");
  await page.getByTestId("new-secret").waitFor();
  await save(page, "dialog-secret", look);
  await page.getByRole("dialog").getByRole("button").last().click();
  await page.locator("td:last-child button").last().click();
  await page.getByRole("dialog").waitFor();
  await save(page, "dialog-delete-key", look);
  const [made] = (await demo.userSession.api.keys.list.query()).filter(({ lastUsedAt }) => lastUsedAt === null);
  if (made) await demo.userSession.api.keys.delete.mutate({ keyId: made.id });
  await context.close();
}

async function shootAdminDialogs(demo: RunningDemo, look: Look): Promise<void> {
  const context = await aContext(look, demo.web, demo.ownerSession);
  const page = await context.newPage();
  const opened = async (name: string) => {
    await page.getByRole("dialog").waitFor();
    await save(page, `dialog-${name}`, look);
  };
  await page.goto(`${demo.web}/admin/users/${demo.userId}`, { waitUntil: "networkidle" });
  await page.locator("dl button").first().click();
  await page.locator("#amountUsd").fill("100");
  await opened("adjust");
  await page.goto(`${demo.web}/admin/codes`, { waitUntil: "networkidle" });
  await page.locator("main header button").click();
  await opened("codes");
  await page.goto(`${demo.web}/admin/prices`, { waitUntil: "networkidle" });
  await page.locator("main header button").click();
  await opened("price");
  await page.goto(`${demo.web}/admin/upstreams`, { waitUntil: "networkidle" });
  await page.locator("main header button").click();
  await opened("upstream");
  await context.close();
}

/** What a test of an upstream says: of the full house's that there is no such host, of the empty house's that it is well. */
async function shootTests(demo: RunningDemo, name: string, look: Look): Promise<void> {
  const context = await aContext(look, demo.web, demo.ownerSession);
  const page = await context.newPage();
  await page.goto(`${demo.web}/admin/upstreams`, { waitUntil: "networkidle" });
  const statuses = page.locator("td [role=status]");
  for (let at = 0; at < (await statuses.count()); at++) {
    await statuses.nth(at).locator("xpath=following-sibling::button[1]").click();
    await expect.poll(() => statuses.nth(at).innerText(), { timeout: 20_000 }).not.toBe("");
  }
  await saveWhole(page, `${name}-tested`, look);
  await context.close();
}

test.each(chosen)(
  "screenshots: $language $theme $device",
  async (look) => {
    const house = full.get(look.language);
    if (!house) throw new Error("There is no full house in that language");
    const perHouse = strangerPages.length + userPages.length + adminPages("").length;
    expect(await shootPages(house, "full", look)).toBe(perHouse);
    expect(await shootPages(empty, "empty", look)).toBe(perHouse);
    await shootSetup(look);
    await shootUserDialogs(house, look);
    await shootAdminDialogs(house, look);
    await shootTests(house, "full", look);
    await shootTests(empty, "empty", look);
  },
  180_000,
);

test.each(languages.filter((language) => chosen.some((look) => look.language === language)))(
  "pictures for the README: %s",
  async (language) => {
    const house = full.get(language);
    if (!house) throw new Error("There is no full house in that language");
    const look: Look = { language, theme: "light", device: "readme" };
    for (const [name, address, person] of [
      ["setup", `${fresh.web}/setup?token=${fresh.setupToken}`, undefined],
      ["dashboard", `${house.web}/dashboard`, house.userSession],
      ["admin", `${house.web}/admin`, house.ownerSession],
    ] as const) {
      const context = await aContext(look, new URL(address).origin, person);
      const page = await context.newPage();
      await page.goto(address, { waitUntil: "networkidle" });
      await save(page, `readme-${name}`, look);
      await context.close();
    }
  },
  60_000,
);

test("screenshots: the database is away", async () => {
  await postgres.stop();
  for (const look of chosen) {
    const context = await aContext(look, fresh.web);
    const page = await context.newPage();
    expect((await page.goto(`${fresh.web}/register`, { waitUntil: "networkidle" }))?.status()).toBe(503);
    await save(page, "database-away", look);
    await context.close();
  }
}, 120_000);
