/**
 * Realistic requests by users whose wallets hold five times what the call will cost: none is refused, and what is held for
 * the input stays near what it costs. `FAIR_BODIES=2000` runs the long form.
 */
import { createTestDatabase, type TestDatabase } from "@codex-gateway/db/testing";
import { holdInSteps, loadPrices, seedPrices, type HeldCall, type LoadedPrices } from "@codex-gateway/domain";
import { createGateway, createWebDoor, type Caller, type Gateway, type Ports } from "@codex-gateway/gateway";
import type { Ledger } from "@codex-gateway/ledger";
import { aLedger, aPayer, breachesIn, type Payer } from "@codex-gateway/ledger/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const bodies = Number(process.env.FAIR_BODIES ?? 120);
let db: TestDatabase;
let prices: LoadedPrices;
let ledger: Ledger;
let gateway: Gateway;
let payer: Payer;
/** Of the call at hand. */
let held: HeldCall | null;
let holds: number;
beforeAll(async () => {
  db = await createTestDatabase();
  await seedPrices(db, new Date("2026-11-28"));
  prices = await loadPrices(db);
  ledger = await aLedger(db);
  gateway = createGateway(ports);
});
afterAll(async () => {
  await gateway.close();
  await db.drop();
});

const unasked = () => Promise.reject(new Error("Nobody asks for it."));
const counting: Pick<Ledger, "hold"> = { hold: (order) => (holds++, ledger.hold(order)) };

/** As the server joins them, without an upstream: a call ends where its hold stands. */
const ports: Ports = {
  authenticate: (): Caller => ({ ...payer, safetyIdentifier: "user", allowedModels: [] }),
  placeHold: async (request) => {
    const parts = { ledger: counting, prices: prices.book, defaultMaxOutputTokens: 32_768 };
    const limits = { minReasoningOutputTokens: 2_000, remoteInputTokens: 8_000 };
    const { accountId, apiKeyId } = payer;
    const outcome = await holdInSteps({ ...parts, ...limits }, { ...request, accountId, apiKeyId });
    if ("refused" in outcome) return outcome;
    held = outcome;
    return { ...outcome, id: request.id, upstreamId: null, grant: outcome };
  },
  settle: ({ hold }) => ledger.release(hold.id).then(() => undefined),
  extendHold: unasked,
  checkpoint: () => undefined,
  idempotency: { claim: unasked, keep: unasked, giveUp: unasked },
  resources: { locate: unasked, add: unasked, remove: unasked, list: unasked },
  listUpstreams: () => [],
  drainsOnDisconnect: () => false,
  chargesBrokenAnswers: () => true,
  answerRead: unasked,
  readStatus: unasked,
  now: Date.now,
  log: () => undefined,
  observe: () => undefined,
};

let state = 20_261_128;
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const pick = <Item>(list: readonly Item[]): Item => list[random(list.length)]!;

/** With their tokens, as o200k_base counts them. */
const sentences: readonly (readonly [text: string, tokens: number])[] = [
  ["The invoice was paid on the third of March, although nobody remembers who asked for it. ", 18],
  ["请把这份合同的主要条款翻译成英文，并指出其中可能存在的风险。", 21],
  ["export const sum = (list: readonly number[]): number => list.reduce((total, each) => total + each, 0);\n", 27],
  ["我们需要在下周五之前完成数据库的迁移工作，请确认每一个步骤。", 19],
  ["if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);\n", 18],
];

function someText(most: number): { text: string; tokens: number } {
  let [text, tokens] = ["", 0];
  for (let n = 2 + random(most); n > 0; n--) {
    const [sentence, count] = pick(sentences);
    text += sentence;
    tokens += count;
  }
  return { text, tokens };
}

/** The head of a PNG, and as many bytes behind it as a photograph has. */
function aPicture(): { url: string; width: number; height: number } {
  const [width, height] = [200 + random(2_800), 200 + random(2_800)];
  const file = Buffer.alloc(15_000 + random(random(8) === 0 ? 1_000_000 : 150_000), 0x5a);
  file.write("89504e470d0a1a0a0000000d49484452", "hex");
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  return { url: `data:image/png;base64,${file.toString("base64")}`, width, height };
}

/** As the provider documents it for gpt-4o and 4.1 (tiles) and for newer models (patches of 32 pixels, 1,536 at most). */
function pictureTokens(model: string, width: number, height: number): number {
  if (!model.startsWith("gpt-4o") && model !== "gpt-4.1") {
    return Math.min(Math.ceil(width / 32) * Math.ceil(height / 32), 1_536);
  }
  const fit = Math.min(1, 2_048 / Math.max(width, height));
  const scale = fit * Math.min(1, 768 / (fit * Math.min(width, height)));
  return 85 + 170 * Math.ceil((width * scale) / 512) * Math.ceil((height * scale) / 512);
}

const toolTokens = 60;
function aTool(n: number, isChat: boolean): object {
  const properties = { path: { type: "string", description: "Where the file lies." }, url: { type: "string" } };
  const parameters = { type: "object", properties, required: ["path"], additionalProperties: false };
  const described = { name: `tool_${n}`, description: "Reads a file, or what lies at an address.", parameters };
  if (isChat) return { type: "function", function: described };
  return pick<object>([
    { type: "function", ...described },
    { type: "function", ...described },
    { type: "custom", name: `custom_${n}`, description: "Runs a command.", format: { type: "text" } },
    { type: "local_shell" },
    { type: "apply_patch" },
    { type: "tool_search", execution: "client", description: "Finds tools.", parameters },
    { type: "namespace", name: `n_${n}`, description: "Files.", tools: [{ type: "function", ...described }] },
    { type: "computer_use_preview", display_width: 1_024, display_height: 768, environment: "browser" },
  ]);
}

const plainModels = ["gpt-4o", "gpt-4.1"] as const;
const reasoningModels = ["gpt-5.5", "gpt-6-sol", "gpt-5.4"] as const;

type Drawn = { path: string; body: object; model: string; inputTokens: number; outputTokens: number };

function aRequest(): Drawn {
  const isReasoning = random(2) === 0;
  const model = isReasoning ? pick(reasoningModels) : pick(plainModels);
  const isChat = random(3) === 0;
  let inputTokens = 10;
  const messages = Array.from({ length: 1 + random(10) }, (_, n) => {
    const { text, tokens } = someText(40);
    inputTokens += tokens + 4;
    const pictures = Array.from({ length: random(6) === 0 ? 1 + random(8) : 0 }, () => {
      const { url, width, height } = aPicture();
      inputTokens += pictureTokens(model, width, height);
      return isChat ? { type: "image_url", image_url: { url } } : { type: "input_image", image_url: url };
    });
    return {
      role: n === 0 ? "system" : "user",
      content: [{ type: isChat ? "text" : "input_text", text }, ...pictures],
    };
  });
  const tools = Array.from({ length: random(3) === 0 ? random(41) : 0 }, (_, n) => aTool(n, isChat));
  inputTokens += tools.length * toolTokens;
  const outputTokens = isReasoning ? 600 + random(3_000) : 50 + random(900);
  const cap =
    random(2) === 0 ? {} : { [isChat ? "max_completion_tokens" : "max_output_tokens"]: 1_000 + random(9_000) };
  const members = { model, stream: random(2) === 0, ...(tools.length > 0 ? { tools } : {}), ...cap };
  return isChat
    ? { path: "chat/completions", body: { ...members, messages }, model, inputTokens, outputTokens }
    : { path: "responses", body: { ...members, input: messages }, model, inputTokens, outputTokens };
}

const nanoUsd = (model: string, unit: "input" | "output", tokens: number): number => {
  const pico = prices.book.find(model)!.prices.bands[0]!.picoUsdPerUnit[unit]!;
  return Number(pico * BigInt(tokens)) / 1_000;
};

async function send(
  { path, body, ...drawn }: Drawn,
  times: number,
): Promise<{ status: number; inputShare: number | null }> {
  const inputCost = nanoUsd(drawn.model, "input", drawn.inputTokens);
  const cost = inputCost + nanoUsd(drawn.model, "output", drawn.outputTokens);
  payer = await aPayer(db, { balanceNanoUsd: BigInt(Math.ceil(cost * times)) });
  held = null;
  holds = 0;
  const request = new Request(`http://gateway/v1/${path}`, {
    method: "POST",
    headers: { authorization: "Bearer sk-any", "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const client = { remoteAddress: "127.0.0.1", closeSignal: new AbortController().signal };
  const response = await createWebDoor(gateway)(request, client);
  await response.text();
  const stands = held as HeldCall | null;
  if (stands === null || holds === 1) return { status: response.status, inputShare: null };
  const { rows } = await db.pool.query<{ amount: string }>(
    "SELECT amount_nano_usd::text AS amount FROM hold WHERE account_id = $1",
    [payer.accountId],
  );
  const forOutput = nanoUsd(drawn.model, "output", stands.heldOutputTokens);
  return { status: response.status, inputShare: (Number(rows[0]!.amount) - forOutput) / inputCost };
}

test("who has five times what a call costs is never refused", { timeout: 3_600_000 }, async () => {
  const refused: string[] = [];
  for (let n = 0; n < bodies; n++) {
    const drawn = aRequest();
    const { status } = await send(drawn, 5);
    // Its hold stood; there is no upstream.
    if (status !== 503 || held === null)
      refused.push(`${status} ${drawn.model} ${drawn.path} ${drawn.inputTokens} ${drawn.outputTokens}`);
  }
  expect(refused).toEqual([]);
  expect(await breachesIn(db)).toEqual([]);
});

test("once money is short, what is held for the input is near what it costs", { timeout: 3_600_000 }, async () => {
  const shares: number[] = [];
  for (let n = 0; n < bodies; n++) {
    const { inputShare } = await send(aRequest(), 2.5);
    if (inputShare !== null) shares.push(inputShare);
  }
  shares.sort((a, b) => a - b);
  const at = (share: number) => shares[Math.floor(share * (shares.length - 1))]!;
  console.log(JSON.stringify({ counted: shares.length, median: at(0.5), p95: at(0.95), most: at(1) }));
  expect(shares.length).toBeGreaterThan(bodies / 10);
  expect(at(0.5)).toBeLessThanOrEqual(1.5);
  expect(at(0.95)).toBeLessThanOrEqual(3);
});
