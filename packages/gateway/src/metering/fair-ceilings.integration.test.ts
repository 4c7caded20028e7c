/**
 * Ceilings of realistic requests against a count of their own: never below it, and not far above. `FAIR_BODIES=2000` runs
 * the long form.
 */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { afterAll, expect, test } from "vitest";
import { endpoints } from "../endpoints/index.ts";
import { createInputCount } from "./estimate-tokens.ts";
import { scanBody } from "./scan-body.ts";
import { createTokenizer } from "./tokenizer.ts";

const bodies = Number(process.env.FAIR_BODIES ?? 300);
const tokenizer = createTokenizer({ patienceMs: 60_000 });
afterAll(() => tokenizer.close());

let state = 20_261_128;
const random = (below: number): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) % below;
const pick = <Item>(list: readonly Item[]): Item => list[(state = (Math.imul(state, 69_069) + 1) >>> 0) % list.length]!;

const sentences = [
  "The invoice was paid on the third of March, although nobody remembers who asked for it. ",
  "请把这份合同的主要条款翻译成英文，并指出其中可能存在的风险。",
  "export const sum = (list: readonly number[]): number => list.reduce((total, each) => total + each, 0);\n",
  "| region | orders | revenue |\n|---|---|---|\n| north | 1,204 | $88,120.50 |\n",
  "我们需要在下周五之前完成数据库的迁移工作，请确认每一个步骤。",
  "if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);\n",
];
const text = (): string => Array.from({ length: 2 + random(40) }, () => pick(sentences)).join("");

/** The first bytes of a PNG, and as many behind them as a photograph has. */
function picture(width: number, height: number, bytes: number): string {
  const file = Buffer.alloc(bytes, 0x5a);
  file.write("89504e470d0a1a0a0000000d49484452", "hex");
  file.writeUInt32BE(width, 16);
  file.writeUInt32BE(height, 20);
  return `data:image/png;base64,${file.toString("base64")}`;
}

const tiles = (width: number, height: number): number => {
  const fit = Math.min(1, 2_048 / Math.max(width, height));
  const scale = fit * Math.min(1, 768 / (fit * Math.min(width, height)));
  return 85 + 170 * Math.ceil((width * scale) / 512) * Math.ceil((height * scale) / 512);
};

function aTool(n: number) {
  const properties = { path: { type: "string", description: "Where the file lies." }, url: { type: "string" } };
  const parameters = { type: "object", properties, required: ["path"], additionalProperties: false };
  const description = pick(sentences);
  return pick([
    { type: "function", name: `tool_${n}`, description, parameters },
    { type: "custom", name: `custom_${n}`, description, format: { type: "text" } },
    { type: "local_shell" },
    { type: "apply_patch" },
    { type: "tool_search", execution: "client", description, parameters },
    {
      type: "namespace",
      name: `n_${n}`,
      description,
      tools: [{ type: "function", name: "inner", description, parameters }],
    },
  ]);
}

/** A request, and what its model reads. */
function aRequest() {
  let tokens = 0;
  const parts = (): object[] => {
    const words = text();
    tokens += countTokens(words) + 4;
    const pictures = Array.from({ length: random(4) === 0 ? 1 + random(8) : 0 }, () => {
      const [width, height] = [64 + random(3_000), 64 + random(3_000)];
      tokens += tiles(width, height);
      return { type: "input_image", image_url: picture(width, height, 15_000 + random(200_000)) };
    });
    return [{ type: "input_text", text: words }, ...pictures];
  };
  const input = Array.from({ length: 1 + random(12) }, () => ({ role: "user", content: parts() }));
  const tools = Array.from({ length: random(3) === 0 ? random(40) : 0 }, (_, n) => aTool(n));
  tokens += tools.reduce((sum, tool) => sum + countTokens(JSON.stringify(tool)), 0);
  const cap = random(2) === 0 ? { max_output_tokens: 500 } : {};
  return { tokens, body: { model: "gpt-4o", stream: random(2) === 0, input, tools, ...cap } };
}

const responses = endpoints.find(({ name }) => name === "responses")!;

test(
  "a ceiling is never below what a request reads, and half of them are at most a fifth above",
  { timeout: 600_000 },
  async () => {
    const ratios: number[] = [];
    for (let n = 0; n < bodies; n++) {
      const { tokens, body } = aRequest();
      const scanned = scanBody(Buffer.from(JSON.stringify(body)), responses.shape);
      const { bound, mediaTokens } = responses.readRequest(scanned);
      expect(bound).toMatchObject({ remoteInputs: 0, hostedCalls: 0 });
      expect(bound.inputTokens).toBeGreaterThanOrEqual(tokens);
      const count = createInputCount(tokenizer, { bytes: scanned.bytes, inline: scanned.findings.inline }, mediaTokens);
      ratios.push((await count.ceiling())! / tokens);
    }
    ratios.sort((a, b) => a - b);
    const at = (share: number) => ratios[Math.floor(share * (ratios.length - 1))]!;
    // A token may be written to the cache, which costs a quarter more than reading it.
    expect(at(0.5)).toBeLessThanOrEqual(1.2);
    expect(at(0.95)).toBeLessThanOrEqual(2.4);
    expect(at(0)).toBeGreaterThanOrEqual(0.98);
  },
);
