/** Every page in both languages, both themes, on a desktop and a phone, full and empty: to be looked at. */
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { demoFolder } from "./demo-folder.ts";
import { startFullHouse } from "./full-house.ts";

const folder = fileURLToPath(new URL("../../../../screenshots", import.meta.url));
const only = process.env.SHOTS;

let browser: Browser;
let full: RunningDemo;
let empty: RunningDemo;
beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  browser = await launchBrowser();
  full = await startFullHouse();
  empty = await startDemo({ port: "0", apiPort: "0", folder: demoFolder });
}, 120_000);
afterAll(async () => {
  await browser.close();
  await full.stop();
  await empty.stop();
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

async function shoot(demo: RunningDemo, name: string, look: (typeof looks)[number]): Promise<number> {
  const { language, theme, device } = look;
  let shots = 0;
  for (const [who, cookie, pages] of [
    ["stranger", "", strangerPages],
    ["user", demo.userSession.cookie(), userPages],
    ["admin", demo.ownerSession.cookie(), adminPages(demo.userId)],
  ] as const) {
    const context = await browser.newContext({
      viewport: device === "phone" ? { width: 390, height: 844 } : { width: 1280, height: 860 },
      locale: language,
      timezoneId: "Asia/Shanghai",
    });
    const url = demo.web;
    await context.addCookies([
      { name: "language", value: language, url },
      { name: "theme", value: theme, url },
      { name: "time-zone", value: "Asia%2FShanghai", url },
      ...(cookie ? [{ name: "session", value: cookie.slice("session=".length), url }] : []),
    ]);
    const page = await context.newPage();
    for (const address of pages) {
      await page.goto(url + address, { waitUntil: "networkidle" });
      const title = address.replace(demo.userId, "id").replace(/[^\w]+/g, "-");
      const file = path.join(folder, `${name}-${who}${title}-${language}-${theme}-${device}.png`);
      await page.screenshot({ path: file, fullPage: true });
      shots++;
    }
    await context.close();
  }
  return shots;
}

const chosen = looks.filter(({ language, theme, device }) => !only || `${language} ${theme} ${device}`.includes(only));

test.each(chosen)(
  "screenshots: $language $theme $device",
  async (look) => {
    const perHouse = strangerPages.length + userPages.length + adminPages("").length;
    expect(await shoot(full, "full", look)).toBe(perHouse);
    expect(await shoot(empty, "empty", look)).toBe(perHouse);
  },
  180_000,
);
