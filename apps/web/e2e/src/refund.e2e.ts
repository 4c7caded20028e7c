/** A charge that is no more than an estimate is given back by an admin, in one click and once. */
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "./browser.ts";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

let demo: RunningDemo;
let browser: Browser;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser.close();
  await demo.stop();
});

const call = (signal: AbortSignal | null) =>
  fetch(`${demo.api}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${demo.apiKey}` },
    body: JSON.stringify({
      model: "gpt-4o-mini",
      stream: signal !== null,
      messages: [{ role: "user", content: "Hi" }],
    }),
    signal,
  });
const charges = () => withDatabase(demo, (db) => db.prisma.charge.findMany({ orderBy: { holdId: "asc" } }));
const balanceUsd = async () => (await demo.userSession.api.dashboard.overview.query({ timeZone: "UTC" })).balanceUsd;

test("the admin's page offers it for what is not exact, and says afterwards that it was done", async () => {
  expect((await call(null)).status).toBe(200);
  // Its client leaves before the first byte, and so pays for the prompt.
  demo.fake.script.delayMs = 3_000;
  await expect(call(AbortSignal.timeout(1_000))).rejects.toThrow();
  await expect.poll(async () => (await charges()).map(({ basis }) => basis)).toEqual(["exact", "observed"]);
  const [exact, observed] = await charges();
  const page = await (await browser.newContext({ locale: "en-US" })).newPage();
  await page.goto(`${demo.web}/login`);
  await page.locator("#email").fill(demo.owner.email);
  await page.locator("#password").fill(demo.owner.password);
  await page.locator("form button[type=submit]").last().click();
  await page.locator("#content").waitFor();
  await page.goto(`${demo.web}/admin/users/${demo.userId}`);
  await page.waitForLoadState("networkidle");
  expect(await page.getByRole("button", { name: "Refund" }).count()).toBe(1);
  await page.getByRole("button", { name: "Refund" }).click();
  await page.getByText("Refunded $").waitFor();
  await page.getByText("Refunded", { exact: true }).waitFor();
  expect(await page.getByRole("button", { name: "Refund" }).count()).toBe(0);
  expect(observed!.costNanoUsd).toBeGreaterThan(0n);
  expect(BigInt((await balanceUsd()).replace(".", ""))).toBe(5_000_000_000n - exact!.costNanoUsd);
  expect(await breachesOf(demo)).toEqual([]);
}, 60_000);
