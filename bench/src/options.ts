/** What the command line of the benchmark says. */
import { parseArgs } from "node:util";

export type BenchOptions = {
  /** The revision to compare with; null: peers. */
  against: string | null;
  rounds: number;
  seconds: number;
  isJson: boolean;
  /** The least ratio by case; under "" that of every other case. */
  atLeast: ReadonlyMap<string, number>;
};

const defaultRounds = 7;
const defaultSeconds = 3;

/** @throws Error with one sentence where it cannot be understood */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv = {}): BenchOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      against: { type: "string" },
      rounds: { type: "string", default: env.BENCH_ROUNDS },
      seconds: { type: "string", default: env.BENCH_SECONDS },
      json: { type: "boolean", default: false },
      "at-least": { type: "string", multiple: true, default: [] },
    },
  });
  const atLeast = new Map(values["at-least"].map(readBound));
  if (values.against === undefined && atLeast.size > 0) {
    throw new Error("--at-least needs --against: it is a ratio to another revision.");
  }
  if (values.against === "") throw new Error("--against needs a revision, such as a tag or a commit.");
  return {
    against: values.against ?? null,
    rounds: readNumber("--rounds", values.rounds, { fallback: defaultRounds, isWhole: true }),
    seconds: readNumber("--seconds", values.seconds, { fallback: defaultSeconds }),
    isJson: values.json,
    atLeast,
  };
}

function readNumber(name: string, text: string | undefined, { fallback = 0, isWhole = false }): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0) || (isWhole && !Number.isInteger(value))) {
    throw new Error(`${name} takes a ${isWhole ? "whole " : ""}number above zero, not "${text}".`);
  }
  return value;
}

/** `0.95` is for every case, `streams=0.9` for one. */
function readBound(text: string): [name: string, ratio: number] {
  const [, name = "", number] = /^(?:([a-z-]+)=)?(.+)$/.exec(text) ?? [];
  return [name, readNumber("--at-least", number ?? text, {})];
}
