import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, expect, test } from "vitest";
import { createInputCount, estimateTokens } from "./estimate-tokens.ts";
import { longestBlockMs } from "../testing/longest-block.ts";
import { createTokenizer, type Tokenizer, type TokenizerOptions } from "./tokenizer.ts";

let tokenizer: Tokenizer | null = null;
let folder: string | null = null;
afterEach(async () => {
  await tokenizer?.close();
  if (folder) await rm(folder, { recursive: true });
  tokenizer = folder = null;
});
const create = (options?: TokenizerOptions) => (tokenizer = createTokenizer(options));

/** A thread that does as a test says. */
async function createWith(program: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
  folder = await mkdtemp(path.join(tmpdir(), "tokenizer-"));
  const file = path.join(folder, "worker.mjs");
  await writeFile(file, `import { parentPort } from "node:worker_threads";\n${program}`);
  return create({ workerUrl: pathToFileURL(file), ...options });
}

test("texts are counted as their model counts them, control words too", async () => {
  const counts = create();
  expect(await counts.count({ text: "hello there" })).toBe(2);
  expect(await counts.count({ text: "<|endoftext|>" })).toBe(7);
  expect(await estimateTokens(counts, "")).toBe(0);
});

test("an input is counted once, however often it is asked for", async () => {
  const body = Buffer.from('{"messages":[{"role":"user","content":"hello there"}]}');
  let asked = 0;
  const counting = create();
  const estimate = createInputCount(
    { ...counting, count: (job) => (asked++, counting.count(job)) },
    { bytes: body, inline: [] },
  ).estimate;
  expect(await Promise.all([estimate(), estimate(), estimate()])).toEqual([6, 6, 6]);
  expect([await estimate(), asked]).toEqual([6, 1]);
});

const hard: [what: string, text: string][] = [
  ["one letter", "a".repeat(1_000_000)],
  ["spaces", " ".repeat(1_000_000)],
  ["emoji", "😀".repeat(250_000)],
  ["joined emoji", "👨‍👩‍👧".repeat(100_000)],
  ["half a surrogate", "\ud800".repeat(100_000)],
  [
    "rare characters",
    Array.from({ length: 100_000 }, (_, i) => String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000))).join(""),
  ],
];

test.each(hard)("a megabyte of %s does not keep the event loop", { timeout: 60_000 }, async (_what, text) => {
  const counts = create({ patienceMs: 60_000 });
  const json = Buffer.from(JSON.stringify({ input: text }));
  const estimate = createInputCount(counts, { bytes: json, inline: [] }).estimate;
  expect(await estimate()).toBeGreaterThan(100);
  expect(
    await longestBlockMs(() => Promise.all([estimateTokens(counts, text), counts.count({ json, members: ["input"] })])),
  ).toBeLessThan(100);
});

test("where the thread dies, is silent, or cannot be started, bytes are divided by four", async () => {
  const text = "x".repeat(400);
  expect(await estimateTokens(await createWith("parentPort.on('message', () => process.exit(1));"), text)).toBe(100);
  expect(await estimateTokens(await createWith("parentPort.on('message', () => { throw 1; });"), text)).toBe(100);
  expect(await estimateTokens(await createWith("throw new Error('no');"), text)).toBe(100);
  expect(await estimateTokens(await createWith("for (;;);", { patienceMs: 200 }), text)).toBe(100);
  expect(await estimateTokens(create({ workerUrl: pathToFileURL("/nowhere/worker.js") }), text)).toBe(100);
});

test("a thread that has died is replaced", async () => {
  const dies =
    "parentPort.once('message', ({ id, text }) => text === 'die' ? process.exit(1) : parentPort.postMessage({ id, tokens: 7 }));";
  const counts = await createWith(dies);
  expect(await counts.count({ text: "die" })).toBeNull();
  await expect.poll(() => counts.count({ text: "live" }), { timeout: 5_000 }).toBe(7);
});

test("what is too much for its queue is not counted, and keeps nobody waiting", async () => {
  const counts = create({ maxWaitingBytes: 1_000 });
  const counted = await Promise.all([counts.count({ text: "a".repeat(400) }), counts.count({ text: "a".repeat(400) })]);
  expect([typeof counted[0], counted[1]]).toEqual(["number", null]);
  expect(await counts.count({ text: "hello there" })).toBe(2);
});

test("what is no JSON is not counted, and the next one is", async () => {
  const counts = create();
  expect(await counts.count({ json: Buffer.from('{"a":"\\q"}'), members: ["a"] })).toBeNull();
  expect(await counts.count({ json: Buffer.from("null"), members: ["a"] })).toBeNull();
  expect(await counts.count({ json: Buffer.from('{"a":"hello there"}'), members: ["a"] })).toBe(2);
});
