/** Reads what docs/security.md says of numbers, and what the code has: a row names its constant as `file#name`. */

export type Budget = { constant: string; file: string; name: string; number: string; tests: string[] };

const row = /^\|(.+)\|$/;
const reference = /`([\w./$[\]-]+\.(?:ts|tsx|mjs))#([\w.]+)`/;
const path = /`([\w./$[\]-]+\.(?:ts|tsx|mjs))(?::[^`]*)?`/g;

/** The rows of every table that has the columns "Number", "In code" and "Test". */
export function readBudgets(markdown: string): Budget[] {
  const budgets: Budget[] = [];
  let columns: string[] = [];
  for (const line of markdown.split("\n")) {
    const cells = row
      .exec(line)?.[1]
      ?.split("|")
      .map((cell) => cell.trim());
    if (!cells) columns = [];
    else if (columns.length === 0) columns = cells;
    else if (columns.includes("In code") && !/^[-: ]+$/.test(cells[0] ?? "")) {
      const cell = (name: string) => cells[columns.indexOf(name)] ?? "";
      const [constant = cell("In code"), file = "", name = ""] = reference.exec(cell("In code")) ?? [];
      const tests = [...cell("Test").matchAll(path)].map(([, test = ""]) => test);
      budgets.push({ constant, file, name, number: cell("Number"), tests });
    }
  }
  return budgets;
}

/** Bytes, milliseconds, or a plain number. */
const units: Readonly<Record<string, number | undefined>> = {
  "": 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
};
const seconds = /(?:Seconds|Secs|duration)$/;

/** What a number with a unit comes to in the unit of a constant of that name; NaN where it is none. */
export function toNumber(text: string, name: string): number {
  const [, base = "", exponent, unit = ""] = /^([\d,.]+)(?:\^(\d+))? ?([A-Za-z]*)/.exec(text) ?? [];
  if (base === "") return NaN;
  const value = Number(base.replaceAll(",", "")) ** Number(exponent ?? 1) * (units[unit] ?? 1);
  return seconds.test(name) ? value / 1_000 : value;
}

/** What the code calls its units. */
const words: Readonly<Record<string, string>> = { kibibyte: "1024", mebibyte: "1048576" };
const literal = /(?:\d[\d_.]*n?|kibibyte|mebibyte)/.source;

/**
 * The values that a file gives to the name: literals, products and powers of literals, or the last argument of a call.
 * `limits.maxDepth` is a member of an object literal of that name.
 */
export function valuesOf(source: string, name: string): number[] {
  const [object, member] = name.includes(".") ? name.split(".") : [null, name];
  const within = object === null ? "" : `\\b${object}(?:: [\\w.]+)?(?: =|:) \\{[^}]*?`;
  const given = `\\b${member}(?:: [\\w.]+)? ?[=:] ?(?:\\w+\\([^)]*, )?(${literal}(?: \\*\\*? ${literal})*)`;
  return [...source.matchAll(new RegExp(within + given, "g"))].map(([, text = ""]) => productOf(text));
}

const productOf = (text: string): number =>
  text
    .replaceAll(/kibibyte|mebibyte/g, (word) => words[word] ?? "")
    .replaceAll(/[_n ]/g, "")
    .split(/(?<!\*)\*(?!\*)/)
    .map((part) => part.split("**").map(Number))
    .reduce((total, [base = NaN, exponent = 1]) => total * base ** exponent, 1);
