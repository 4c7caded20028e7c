/**
 * The lines of a process's log: one order each, as JSON. What is read back may be damaged, so that each line is validated by
 * itself before anything of it reaches the database.
 */
import type { Capture, DrawnHold, HoldOrder } from "../ledger.ts";

export type SettleOrder = { capture: Capture } | { release: string };
/** What the log has lines of. */
export type SpoolOrder = SettleOrder | { drawn: DrawnHold };

export const idOf = (order: SpoolOrder): string =>
  "capture" in order ? order.capture.id : "drawn" in order ? order.drawn.hold.id : order.release;

export const isDrawn = (order: SpoolOrder): order is { drawn: DrawnHold } => "drawn" in order;

/** Put together by hand, as JSON.stringify takes twice as long: ids, numbers and our own words need no escapes. */
export function lineOf(order: SpoolOrder): string {
  const { drawn, capture, release } = order as { drawn?: DrawnHold; capture?: Capture; release?: string };
  if (drawn) return `{"drawn":${drawnJson(drawn)}}`;
  return capture ? `{"capture":${captureJson(capture)}}` : JSON.stringify({ release });
}

const drawnJson = ({ hold, reserveId, instance }: DrawnHold): string =>
  `{"reserveId":"${reserveId}","instance":{"id":"${instance.id}","epoch":"${instance.epoch}"},"hold":{"id":"${hold.id}",` +
  `"accountId":"${hold.accountId}","apiKeyId":"${hold.apiKeyId}","priceVersionId":"${hold.priceVersionId}",` +
  `"endpoint":"${hold.endpoint}","model":${JSON.stringify(hold.model)},"inputTokensBound":${hold.inputTokensBound},` +
  `"amountNanoUsd":"${hold.amountNanoUsd}"}}`;

const captureJson = (capture: Capture): string =>
  `{"id":"${capture.id}","costNanoUsd":"${capture.costNanoUsd}","usage":${JSON.stringify(capture.usage)},` +
  `"basis":"${capture.basis}","flags":${capture.flags.length === 0 ? "[]" : JSON.stringify(capture.flags)},` +
  `"servedModel":${textJson(capture.servedModel)},"serviceTier":${textJson(capture.serviceTier)},` +
  `"upstreamId":${textJson(capture.upstreamId)},"upstreamRequestId":${textJson(capture.upstreamRequestId)},` +
  `"upstreamResponseId":${textJson(capture.upstreamResponseId)},"status":${capture.status},` +
  `"isStream":${capture.isStream},"timeToFirstByteMs":${capture.timeToFirstByteMs},"latencyMs":${capture.latencyMs}}`;

const textJson = (text: string | null): string => (text === null ? "null" : JSON.stringify(text));

export type ReadLine =
  | { order: SpoolOrder; line: Buffer }
  /** Damaged: it was written whole, and says something that cannot be entered. */
  | { order: null; line: Buffer; reason: string; holdId: string | null };

const [newline, nul] = [0x0a, 0x00];

/**
 * Reads a log. What was cut off at its end was never answered for, and is left out; so are the NULs that a power failure
 * leaves behind the last line.
 */
export function readLines(bytes: Buffer): ReadLine[] {
  const lines: ReadLine[] = [];
  for (let at = 0; at < bytes.length;) {
    const found = bytes.indexOf(newline, at);
    const end = found === -1 ? bytes.length : found;
    const line = withoutNuls(bytes.subarray(at, end));
    const isLast = end === bytes.length;
    at = end + 1;
    if (line.length === 0) continue;
    const read = readLine(line);
    if (read) lines.push(read);
    else if (!isLast) lines.push({ order: null, line, reason: "It is no JSON.", holdId: null });
  }
  return lines;
}

/** Null where it is not even JSON. */
function readLine(bytes: Buffer): ReadLine | null {
  const { value, length } = parsed(bytes.toString("utf8"));
  if (value === undefined) return null;
  const line = length === null ? bytes : bytes.subarray(0, Buffer.byteLength(bytes.toString("utf8").slice(0, length)));
  try {
    return { order: orderOf(value), line };
  } catch (error) {
    return { order: null, line, reason: (error as Error).message, holdId: holdIdOf(value) };
  }
}

/** The JSON that the text is, or that it begins with where a torn write has left something behind it. */
function parsed(text: string): { value: unknown; length: number | null } {
  for (const length of [null, endOfObject(text)]) {
    try {
      return { value: JSON.parse(length === null ? text : text.slice(0, length)) as unknown, length };
    } catch {
      // Then it is the beginning, or nothing.
    }
  }
  return { value: undefined, length: null };
}

/** Where the object that the text begins with ends; 0 where it does not. */
function endOfObject(text: string): number {
  let depth = 0;
  let isInText = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isInText) {
      if (character === "\\") at++;
      else if (character === '"') isInText = false;
    } else if (character === '"') isInText = true;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) return at + 1;
  }
  return 0;
}

function withoutNuls(line: Buffer): Buffer {
  let [start, end] = [0, line.length];
  while (start < end && line[start] === nul) start++;
  while (end > start && line[end - 1] === nul) end--;
  return line.subarray(start, end);
}

type Fields = Record<string, unknown>;

function holdIdOf(value: unknown): string | null {
  const { capture, release, drawn } = (value ?? {}) as Fields;
  const id =
    release ?? (capture as Fields | undefined)?.id ?? ((drawn as Fields | undefined)?.hold as Fields | undefined)?.id;
  return typeof id === "string" && uuid.test(id) ? id : null;
}

/** @throws Error that says which field is wrong, without its content */
function orderOf(value: unknown): SpoolOrder {
  const { capture, release, drawn } = fieldsOf(value, "the line");
  if (release !== undefined) return { release: uuidOf(release, "release") };
  if (drawn !== undefined) return { drawn: drawnOf(fieldsOf(drawn, "drawn")) };
  return { capture: captureOf(fieldsOf(capture, "capture")) };
}

const captureOf = (fields: Fields): Capture => ({
  id: uuidOf(fields.id, "id"),
  costNanoUsd: nanoUsdOf(fields.costNanoUsd, "costNanoUsd"),
  usage: usageOf(fields.usage),
  basis: basisOf(fields.basis),
  flags: textsOf(fields.flags, "flags"),
  servedModel: textOrNullOf(fields.servedModel, "servedModel"),
  serviceTier: textOrNullOf(fields.serviceTier, "serviceTier"),
  upstreamId: fields.upstreamId === null || fields.upstreamId === "" ? null : uuidOf(fields.upstreamId, "upstreamId"),
  upstreamRequestId: textOrNullOf(fields.upstreamRequestId, "upstreamRequestId"),
  upstreamResponseId: textOrNullOf(fields.upstreamResponseId, "upstreamResponseId"),
  status: numberOf(fields.status, "status"),
  isStream: fields.isStream === true,
  timeToFirstByteMs: fields.timeToFirstByteMs === null ? null : numberOf(fields.timeToFirstByteMs, "timeToFirstByteMs"),
  latencyMs: numberOf(fields.latencyMs, "latencyMs"),
});

function drawnOf({ reserveId, instance, hold }: Fields): DrawnHold {
  const owner = fieldsOf(instance, "instance");
  const fields = fieldsOf(hold, "hold");
  const order: HoldOrder = {
    id: uuidOf(fields.id, "id"),
    accountId: uuidOf(fields.accountId, "accountId"),
    apiKeyId: uuidOf(fields.apiKeyId, "apiKeyId"),
    priceVersionId: uuidOf(fields.priceVersionId, "priceVersionId"),
    endpoint: textOf(fields.endpoint, "endpoint"),
    model: textOf(fields.model, "model"),
    inputTokensBound: unitsOf(fields.inputTokensBound, "inputTokensBound"),
    // Keys with limits draw from no reserve.
    tokensBound: 0,
    amountNanoUsd: nanoUsdOf(fields.amountNanoUsd, "amountNanoUsd"),
    minAmountNanoUsd: null,
  };
  const [id, epoch] = [uuidOf(owner.id, "instance"), nanoUsdOf(owner.epoch, "epoch")];
  return { reserveId: uuidOf(reserveId, "reserveId"), instance: { id, epoch }, hold: order };
}

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const wholeNumber = /^\d{1,19}$/;
const mostInt8 = 2n ** 63n - 1n;
const unitClass = /^\w{1,64}$/;
const bases = new Set(["exact", "observed", "estimate", "orphan"]);

function wrong(name: string): never {
  throw new Error(`Its ${name} is not what it should be.`);
}

function fieldsOf(value: unknown, name: string): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : wrong(name);
}

const uuidOf = (value: unknown, name: string): string =>
  typeof value === "string" && uuid.test(value) ? value.toLowerCase() : wrong(name);

const textOf = (value: unknown, name: string): string => (typeof value === "string" ? value : wrong(name));

const textOrNullOf = (value: unknown, name: string): string | null => (value === null ? null : textOf(value, name));

const textsOf = (value: unknown, name: string): string[] =>
  Array.isArray(value) ? value.map((each) => textOf(each, name)) : wrong(name);

/** Of what only informs; the ledger clamps it. A number that JSON has no word for was written as null. */
const numberOf = (value: unknown, name: string): number =>
  value === null ? 0 : typeof value === "number" ? value : wrong(name);

const unitsOf = (value: unknown, name: string): number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : wrong(name);

function nanoUsdOf(value: unknown, name: string): bigint {
  if (typeof value !== "string" || !wholeNumber.test(value)) return wrong(name);
  const amount = BigInt(value);
  return amount <= mostInt8 ? amount : wrong(name);
}

function usageOf(value: unknown): Capture["usage"] {
  const usage = fieldsOf(value, "usage");
  for (const name in usage) {
    if (!unitClass.test(name)) wrong("usage");
    unitsOf(usage[name], "usage");
  }
  return usage as Capture["usage"];
}

const basisOf = (value: unknown): Capture["basis"] =>
  typeof value === "string" && bases.has(value) ? (value as Capture["basis"]) : wrong("basis");
