/** The real Codex CLI works through a gateway: commands, patches, broken streams, used-up budgets, its sockets. */
import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { startDemo, type RunningDemo } from "@codex-gateway/demo";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createCodexHome } from "./codex-home.ts";
import { breachesOf, withDatabase } from "./database-of.ts";
import { anyPorts } from "./demo-folder.ts";

const model = "gpt-5.5";
type Item = Record<string, unknown>;
type Turn = (res: ServerResponse, body: { input: Item[] }) => void;

const usage = {
  input_tokens: 1_000,
  input_tokens_details: { cached_tokens: 200 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 10 },
  total_tokens: 1_050,
};
/** USD 5, 0.50 and 30 per million tokens. */
const turnNanoUsd = 800n * 5_000n + 200n * 500n + 50n * 30_000n;

const send = (res: ServerResponse, type: string, rest: object) =>
  res.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
const response = (status: string, rest = {}) => ({
  id: "resp_1",
  object: "response",
  model,
  status,
  output: [],
  ...rest,
});

const says =
  (item: Item): Turn =>
  (res) => {
    send(res, "response.created", { response: response("in_progress") });
    send(res, "response.output_item.done", { output_index: 0, item });
    send(res, "response.completed", { response: response("completed", { output: [item], usage }) });
    res.end();
  };
const message = (text: string): Item => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text, annotations: [] }],
});

let turns: Turn[] = [];
let asked: { input: Item[] }[] = [];
const upstream = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as { input: Item[] };
    asked.push(body);
    res.writeHead(200, { "content-type": "text/event-stream" });
    (turns.shift() ?? says(message("There is no more to say.")))(res, body);
  });
});

let demo: RunningDemo;
let home: ReturnType<typeof createCodexHome>;
let seenCharges = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  demo = await startDemo({ ...anyPorts, upstreamUrl: `http://127.0.0.1:${port}/v1` });
  home = createCodexHome(demo.api);
});
afterAll(async () => {
  await demo.stop();
  upstream.close();
  home.remove();
});
beforeEach(async () => {
  [turns, asked] = [[], []];
  seenCharges = await withDatabase(demo, (db) => db.prisma.charge.count());
});

/** Those of the test, oldest first. */
const newCharges = () =>
  withDatabase(demo, (db) => db.prisma.charge.findMany({ orderBy: { holdId: "asc" }, skip: seenCharges }));
const outputsOf = (type: string) => asked.flatMap(({ input }) => input.filter((item) => item.type === type));

test("a turn with a command and a patch runs on the user's machine, and each request is charged exactly", async () => {
  const patch = "*** Begin Patch\n*** Add File: made.txt\n+made by a patch\n*** End Patch\n";
  turns = [
    says({
      type: "function_call",
      id: "fc_1",
      call_id: "call_1",
      name: "exec_command",
      arguments: JSON.stringify({ cmd: "printf 'said by a command' > said.txt; cat said.txt", login: false }),
    }),
    says({ type: "custom_tool_call", id: "ct_1", call_id: "call_2", name: "apply_patch", input: patch }),
    says(message("Both are done.")),
  ];
  home.configure({ model });
  const { output, errors, exitCode } = await home.exec("Make two files", demo.apiKey, [
    "--sandbox",
    "danger-full-access",
  ]);
  expect({ output, errors, exitCode }).toMatchObject({
    output: expect.stringContaining("Both are done."),
    exitCode: 0,
  });
  expect(readFileSync(path.join(home.folder, "said.txt"), "utf8")).toBe("said by a command");
  expect(readFileSync(path.join(home.folder, "made.txt"), "utf8")).toBe("made by a patch\n");
  expect(JSON.stringify(outputsOf("function_call_output"))).toContain("said by a command");
  expect(outputsOf("custom_tool_call_output").length).toBeGreaterThan(0);
  const charges = await newCharges();
  expect(charges.map(({ basis, costNanoUsd }) => [basis, costNanoUsd])).toEqual(Array(3).fill(["exact", turnNanoUsd]));
  expect(await breachesOf(demo)).toEqual([]);
}, 120_000);

test("with sockets allowed it falls back to HTTP within a second", async () => {
  turns = [says(message("By HTTP."))];
  home.configure({ model });
  const plain = await home.exec("Say it", demo.apiKey);
  turns = [says(message("By HTTP."))];
  home.configure({ model, more: "supports_websockets = true\n" });
  const { output, errors, exitCode, tookMs } = await home.exec("Say it", demo.apiKey);
  expect({ output, errors, exitCode }).toMatchObject({ output: expect.stringContaining("By HTTP."), exitCode: 0 });
  expect(asked).toHaveLength(2);
  // The same run without sockets, beside it: what starting Codex takes is the machine's.
  expect(tookMs).toBeLessThan(plain.tookMs + 5_000);
}, 120_000);

test("a used-up daily budget stops it after one request, with the time of the reset on its screen", async () => {
  const { secret } = await demo.userSession.api.keys.create.mutate({ name: "thrifty", dailyBudgetUsd: "0.000001" });
  home.configure({ model });
  const { errors, exitCode } = await home.exec("Say it", secret);
  expect(exitCode).not.toBe(0);
  expect(errors).toMatch(/usage limit.*try again (at|in)/is);
  expect(asked).toHaveLength(0);
}, 120_000);

test("a stream that breaks off says so on its screen", async () => {
  const item_id = "msg_1";
  const breaksOff: Turn = (res) => {
    send(res, "response.created", { response: response("in_progress") });
    send(res, "response.output_item.added", {
      output_index: 0,
      item: { ...message(""), status: "in_progress", content: [] },
    });
    send(res, "response.output_text.delta", { output_index: 0, content_index: 0, item_id, delta: "It begins " });
    setTimeout(() => res.destroy(), 50);
  };
  turns = Array<Turn>(10).fill(breaksOff);
  home.configure({ model });
  const { errors, exitCode } = await home.exec("Say it", demo.apiKey);
  expect(exitCode).not.toBe(0);
  expect(errors).toContain("The model provider's answer broke off.");
}, 120_000);
