/**
 * Turns the `usage` object of a response into disjoint units by price class. Each input token is uncached, cached or written
 * to the cache, and of one modality; reasoning tokens are part of the output and never added.
 *
 * Sources: the usage objects of chat completions, completions, embeddings, responses, images, transcriptions and realtime
 * (https://developers.openai.com/api/reference); compatible servers' spellings are read where their meaning is the same.
 * Nothing that an upstream states makes a charge smaller by being strange: a contradiction is flagged and the larger
 * reading counts.
 */
import type { Usage } from "../ports.ts";

type UsageFlag =
  /** The parts were more than the whole. */
  | "clamped"
  /** `total_tokens` was more than input and output: the rest was counted as output. */
  | "total_differs"
  /** A count of tokens has a name that is not known here. */
  | "unknown_usage"
  /** A count was negative, a fraction, no number, or more than any request can have. */
  | "unreadable_usage";

/** No request has more tokens on one side: a count above it is a wrong number, or a wrong upstream. */
const maxTokensPerSide = 10_000_000;

export type ReadUsage = {
  units: Usage;
  flags: UsageFlag[];
  /** false where the side's count is missing or unreadable: whoever asks counts what it saw itself. */
  isInputStated: boolean;
  isOutputStated: boolean;
};

export type UsageDefaults = {
  /** The class of output tokens that no split names: `image_output` where pictures come out. */
  output: "output" | "audio_output" | "image_output";
};

type Counts = Readonly<Record<string, unknown>>;

const textOutput: UsageDefaults = { output: "output" };

/** Returns what a usage object states; null where it states nothing. */
export function readUsage(value: unknown, defaults: UsageDefaults = textOutput): ReadUsage | null {
  if (!isObject(value)) return null;
  if (value.type === "duration") return readDuration(value);
  const reader = createReader();
  const input = reader.count(value, inputNames);
  const output = reader.count(value, outputNames);
  if (input === null && output === null) return null;
  const inputDetails = detailsOf(value, inputDetailNames);
  const outputDetails = detailsOf(value, outputDetailNames);
  const allOutput = withReasoning(reader, output ?? 0, outputDetails);
  const units: Usage = {
    ...splitInput(reader, input ?? 0, value, inputDetails),
    ...splitOutput(reader, allOutput, outputDetails, defaults),
  };
  const total = reader.count(value, ["total_tokens"]);
  const beyond = total === null ? 0 : total - ((input ?? 0) + allOutput);
  // Some servers leave reasoning out of the completion's count, and say it in the total alone.
  if (beyond > 0 && input !== null) {
    reader.flag("total_differs");
    units[defaults.output] = (units[defaults.output] ?? 0) + beyond;
  }
  reader.lookForUnknown(value, knownTop);
  reader.lookForUnknown(inputDetails, knownInputDetails);
  reader.lookForUnknown(outputDetails, knownOutputDetails);
  return {
    units: withoutZeros(units),
    flags: [...reader.flags],
    isInputStated: input !== null && !reader.isUnreadable(inputNames),
    isOutputStated: (output !== null && !reader.isUnreadable(outputNames)) || beyond > 0,
  };
}

const inputNames = ["input_tokens", "prompt_tokens"];
const outputNames = ["output_tokens", "completion_tokens"];
const inputDetailNames = ["input_tokens_details", "prompt_tokens_details", "input_token_details"];
const outputDetailNames = ["output_tokens_details", "completion_tokens_details", "output_token_details"];
const cachedNames = ["cached_tokens", "cache_read_tokens"];
const cachedTopNames = ["cache_read_input_tokens", "prompt_cache_hit_tokens"];
const writtenNames = ["cache_write_tokens", "cache_creation_tokens"];
const writtenTopNames = ["cache_creation_input_tokens"];

const knownTop = new Set([
  ...inputNames,
  ...outputNames,
  ...inputDetailNames,
  ...outputDetailNames,
  ...cachedTopNames,
  ...writtenTopNames,
  "total_tokens",
  "prompt_cache_miss_tokens",
]);
const knownInputDetails = new Set([
  ...cachedNames,
  ...writtenNames,
  "text_tokens",
  "audio_tokens",
  "image_tokens",
  "cached_tokens_details",
  "cache_write_tokens_details",
]);
const knownOutputDetails = new Set([
  "text_tokens",
  "audio_tokens",
  "image_tokens",
  "reasoning_tokens",
  "accepted_prediction_tokens",
  "rejected_prediction_tokens",
]);

/** A count of seconds, as transcriptions by the minute state it. */
function readDuration({ seconds }: Counts): ReadUsage | null {
  const isNumber = typeof seconds === "number" && seconds >= 0 && seconds < 1e9;
  const units: Usage = isNumber ? { second: Math.ceil(seconds) } : {};
  return { units, flags: isNumber ? [] : ["unreadable_usage"], isInputStated: isNumber, isOutputStated: true };
}

type Reader = ReturnType<typeof createReader>;

/** Reads counts, and remembers what was strange about them. */
function createReader() {
  const flags = new Set<UsageFlag>();
  const unreadable = new Set<string>();
  return {
    flags,
    flag: (flag: UsageFlag) => flags.add(flag),
    isUnreadable: (names: readonly string[]) => names.some((name) => unreadable.has(name)),
    /** The first of the names that is there: a whole number; null where none is; 0 where it cannot be read. */
    count(from: Counts, names: readonly string[]): number | null {
      for (const name of names) {
        const value = from[name];
        if (value === undefined || value === null) continue;
        if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= maxTokensPerSide) {
          return value as number;
        }
        flags.add("unreadable_usage");
        unreadable.add(name);
        return 0;
      }
      return null;
    },
    lookForUnknown(from: Counts, known: ReadonlySet<string>): void {
      for (const name in from) {
        const isCount = name.includes("token") && typeof from[name] === "number" && from[name] !== 0;
        if (isCount && !known.has(name)) flags.add("unknown_usage");
      }
    },
  };
}

/** Parts of the whole in turn: each takes at most what the ones before it have left. */
function takeFrom(reader: Reader, whole: number) {
  let left = whole;
  return {
    take(wanted: number): number {
      if (wanted > left) reader.flag("clamped");
      const taken = Math.min(wanted, left);
      left -= taken;
      return taken;
    },
    rest: () => left,
  };
}

function splitInput(reader: Reader, input: number, usage: Counts, details: Counts): Usage {
  const all = takeFrom(reader, input);
  const audio = all.take(reader.count(details, ["audio_tokens"]) ?? 0);
  const image = all.take(reader.count(details, ["image_tokens"]) ?? 0);
  const cached = reader.count(details, cachedNames) ?? reader.count(usage, cachedTopNames) ?? 0;
  const byModality = objectOf(details.cached_tokens_details);
  const cachedAudio = Math.min(reader.count(byModality, ["audio_tokens"]) ?? 0, audio);
  const cachedImage = Math.min(reader.count(byModality, ["image_tokens"]) ?? 0, image);
  const cachedText = all.take(Math.max(cached - cachedAudio - cachedImage, 0));
  const written = reader.count(details, writtenNames) ?? reader.count(usage, writtenTopNames) ?? 0;
  const byLifetime = objectOf(details.cache_write_tokens_details);
  const written12h = all.take(reader.count(byLifetime, ["ttl_12h_tokens"]) ?? 0);
  const written30m = all.take(Math.max(written - written12h, reader.count(byLifetime, ["ttl_30m_tokens"]) ?? 0, 0));
  return {
    input: all.rest(),
    cached_input: cachedText,
    cache_write_30m: written30m,
    cache_write_12h: written12h,
    audio_input: audio - cachedAudio,
    cached_audio_input: cachedAudio,
    image_input: image - cachedImage,
    cached_image_input: cachedImage,
  };
}

/** Reasoning is a part of the output; where it is more than all of it, it was left out. */
function withReasoning(reader: Reader, output: number, details: Counts): number {
  const reasoning = reader.count(details, ["reasoning_tokens"]) ?? 0;
  if (reasoning <= output) return output;
  reader.flag("total_differs");
  return output + reasoning;
}

function splitOutput(reader: Reader, output: number, details: Counts, defaults: UsageDefaults): Usage {
  const all = takeFrom(reader, output);
  const audio = all.take(reader.count(details, ["audio_tokens"]) ?? 0);
  const image = all.take(reader.count(details, ["image_tokens"]) ?? 0);
  const text = defaults.output === "output" ? 0 : all.take(reader.count(details, ["text_tokens"]) ?? 0);
  const units: Usage = { output: text, audio_output: audio, image_output: image };
  units[defaults.output] = (units[defaults.output] ?? 0) + all.rest();
  return units;
}

const isObject = (value: unknown): value is Counts => typeof value === "object" && value !== null;
const objectOf = (value: unknown): Counts => (isObject(value) ? value : {});

function detailsOf(usage: Counts, names: readonly string[]): Counts {
  for (const name of names) if (isObject(usage[name])) return usage[name];
  return {};
}

/** Zeros are left out, but for the two sides that every charge states. */
function withoutZeros(units: Usage): Usage {
  const kept: Usage = { input: units.input ?? 0, output: units.output ?? 0 };
  for (const unitClass in units) if (units[unitClass]) kept[unitClass] = units[unitClass];
  return kept;
}
