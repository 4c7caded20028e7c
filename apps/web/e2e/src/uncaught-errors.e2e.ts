/** Errors that no code has caught, thrown into a gateway that serves: it goes on, says so, and tells nothing of a body. */
import { afterEach, expect, test } from "vitest";
import { aFundedKey } from "./funded-key.ts";
import { startInstallation, type Installation } from "./installation.ts";
import { startSteadyUpstream, type SteadyUpstream } from "./steady-upstream.ts";

/** Each SIGUSR2 throws one and leaves one promise behind; SIGWINCH is a storm of them. */
const faults = `const broken = () => JSON.parse('{"prompt":"of-a-user');
  const fault = () => { setImmediate(broken); Promise.reject(new Error("prompt of-a-user")); };
  process.on("SIGUSR2", fault);
  process.on("SIGWINCH", () => { for (let n = 0; n < 15; n++) fault(); });`;
const preload = `--import=data:text/javascript,${encodeURIComponent(faults)}`;
const metricsToken = "token-of-the-metrics";

let house: Installation;
let upstream: SteadyUpstream;
afterEach(async () => {
  await house.stop("SIGKILL");
  upstream.stop();
});

async function aHouse() {
  upstream = await startSteadyUpstream({ pieceMs: 300 });
  house = await startInstallation("uncaught", { own: { NODE_OPTIONS: preload, METRICS_TOKEN: metricsToken } });
  const key = await aFundedKey(house.gateway, upstream.url);
  return () =>
    fetch(`${house.gateway.api}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "gpt-4o-mini", max_tokens: 50, stream: true, messages: [] }),
    });
}

test("a gateway with an uncaught error serves on, counts it, and tells of it without a word of what was in it", async () => {
  const call = await aHouse();
  const streaming = await call();
  house.gateway.child.kill("SIGUSR2");
  await expect.poll(() => house.gateway.output().match(/"event":"uncaught_error"/g)?.length).toBe(2);
  expect(await streaming.text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(await (await call()).text()).toMatch(/data: \[DONE\]\n\n$/);
  const metrics = await fetch(new URL("/metrics", house.gateway.api), {
    headers: { authorization: `Bearer ${metricsToken}` },
  });
  const counted = await metrics.text();
  for (const origin of ["uncaughtException", "unhandledRejection"]) {
    expect(counted).toContain(`codex_gateway_uncaught_errors_total{origin="${origin}"} 1`);
  }
  const alerts = () => house.db.prisma.alert.findMany({ where: { kind: "process_fault" } });
  await expect.poll(alerts, { timeout: 10_000 }).toHaveLength(1);
  expect(house.gateway.output()).toMatch(/"name":"SyntaxError"/);
  expect(house.gateway.output() + JSON.stringify(await alerts())).not.toContain("of-a-user");
  expect(await house.gateway.stop()).toBe(0);
});

test("a storm of them ends it in order, with a code by which it is started again", async () => {
  const call = await aHouse();
  const streaming = await call();
  const ended = new Promise<number | null>((resolve) => house.gateway.child.once("exit", resolve));
  house.gateway.child.kill("SIGWINCH");
  expect(await streaming.text().catch(() => "")).not.toMatch(/\[DONE\]/);
  expect(await ended).toBe(70);
  expect(house.gateway.output()).toContain('"reason":"too_many_errors"');
  expect(await house.db.prisma.hold.count({ where: { state: "open" } })).toBe(0);
});

test("a log that nobody takes any more does not end it", async () => {
  const call = await aHouse();
  house.gateway.child.stdout?.destroy();
  house.gateway.child.stderr?.destroy();
  house.gateway.child.kill("SIGUSR2");
  for (let n = 0; n < 3; n++) expect(await (await call()).text()).toMatch(/data: \[DONE\]\n\n$/);
  expect(house.gateway.child.exitCode).toBeNull();
});
