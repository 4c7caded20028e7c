import type { Person } from "@codex-gateway/demo";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

/** A page of a browser of its own, in which the person is signed in. */
export async function openPageOf(
  browser: Browser,
  person: Person,
  web: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ locale: "zh-CN", ...options });
  await context.addCookies([{ name: "session", value: person.cookie().slice("session=".length), url: web }]);
  return context.newPage();
}
