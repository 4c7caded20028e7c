import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createCodexHome } from "./codex-home.ts";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

let demo: RunningDemo;
let home: ReturnType<typeof createCodexHome>;
beforeAll(async () => {
  demo = await startDemo(anyPorts);
  home = createCodexHome(demo.api);
});
afterAll(async () => {
  await demo.stop();
  home.remove();
});

test("codex exec prints the model's answer, and its cached tokens are charged as such", async () => {
  home.configure();
  const { output, errors, exitCode } = await home.exec("Say hello", demo.apiKey);
  expect({ output, errors, exitCode }).toMatchObject({
    output: expect.stringContaining("Hello from the fake model."),
    exitCode: 0,
  });
  const charges = await withDatabase(demo, (db) => db.prisma.charge.findMany({ where: { endpoint: "responses" } }));
  expect(charges[0]).toMatchObject({
    basis: "exact",
    usage: { input: 8, cached_input: 4, output: 5 },
    // 8 × 0.15 + 4 × 0.075 + 5 × 0.60 USD per million
    costNanoUsd: 4_500n,
  });
  expect(await breachesOf(demo)).toEqual([]);
}, 120_000);

/** What Codex has noted of its limits, in the newest of its sessions. */
function lastLimits(): { credits: { balance: string } | null; primary: object | null } | null {
  const files = readdirSync(path.join(home.folder, "sessions"), { recursive: true, encoding: "utf8" });
  const session =
    files
      .filter((name) => name.endsWith(".jsonl"))
      .toSorted()
      .at(-1) ?? "";
  const lines = readFileSync(path.join(home.folder, "sessions", session), "utf8")
    .trim()
    .split("\n");
  const limits = lines.map((line) => (JSON.parse(line) as { payload: { rate_limits?: unknown } }).payload.rate_limits);
  return limits.findLast((each) => each) as ReturnType<typeof lastLimits>;
}

test("/status has what the key may still spend, and its budget", async () => {
  home.configure();
  const { secret } = await demo.userSession.api.keys.create.mutate({ name: "with a budget", dailyBudgetUsd: "2" });
  expect((await home.exec("Say hello", secret)).exitCode).toBe(0);
  // 2 of 5 dollars, less a fraction of a cent
  expect(lastLimits()).toMatchObject({
    credits: { has_credits: true, unlimited: false, balance: expect.stringMatching(/^(?:2\.00|1\.99)$/) as string },
    primary: { window_minutes: 1_440, resets_at: expect.any(Number) as number },
  });
}, 120_000);

test.each(["gpt-5.5", "gpt-5.6-sol", "gpt-6-sol", "gpt-6.2-sol", "gpt-6-astra"])(
  "codex exec with its default tools runs on half a dollar with %s",
  async (model) => {
    home.configure({ model });
    const { auth, admin, keys } = demo.ownerSession.api;
    const userId = (await auth.me.query())!.id;
    // What the models before cost is a fraction of a cent.
    if (model === "gpt-5.5") {
      await admin.users.adjustBalance.mutate({
        userId,
        amountUsd: "0.50",
        isPaid: true,
        note: "",
        formId: randomUUID(),
      });
    }
    const { secret } = await keys.create.mutate({ name: model });
    const { output, errors, exitCode } = await home.exec("Say hello", secret);
    if (exitCode !== 0) throw new Error(errors.slice(-2_000));
    expect(output).toContain("Hello from the fake model.");
  },
  120_000,
);

const response = (status: string, rest = {}) => ({
  id: "resp_quiet",
  object: "response",
  model: "gpt-4o-mini",
  status,
  output: [],
  ...rest,
});

/** An upstream that thinks for `silentMs`, with nothing but comments, before it says its word. */
async function startQuietUpstream(silentMs: number) {
  const server = createServer((req, res) => {
    req.resume().on("end", () => {
      void (async () => {
        res.writeHead(200, { "content-type": "text/event-stream" });
        const send = (type: string, rest: object) =>
          res.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
        send("response.created", { response: response("in_progress") });
        const comments = setInterval(() => res.write(": thinking\n\n"), 1_000);
        await sleep(silentMs);
        clearInterval(comments);
        const content = [{ type: "output_text", text: "I have thought about it.", annotations: [] }];
        const item = { id: "msg_1", type: "message", role: "assistant", status: "completed", content };
        send("response.output_item.done", { output_index: 0, item });
        const usage = { input_tokens: 12, output_tokens: 5, total_tokens: 17 };
        send("response.completed", { response: response("completed", { output: [item], usage }) });
        res.end();
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, stop: () => server.close() };
}

test("Codex waits for a model that thinks longer than its idle timeout", async () => {
  const upstream = await startQuietUpstream(40_000);
  const settings = await demo.ownerSession.api.admin.settings.get.query();
  const { upstream: _upstream, ...rest } = settings;
  await demo.ownerSession.api.admin.settings.update.mutate({ ...rest, baseUrl: upstream.url, apiKey: "sk-quiet" });
  home.configure({ more: "stream_idle_timeout_ms = 25000\nstream_max_retries = 0\nrequest_max_retries = 0\n" });
  const { output, errors, exitCode } = await home.exec("Think", demo.apiKey);
  upstream.stop();
  expect({ output, errors, exitCode }).toMatchObject({
    output: expect.stringContaining("I have thought about it."),
    exitCode: 0,
  });
}, 120_000);
