/** A batch's columns as PostgreSQL's text of arrays: a parameter each, where a document would have to be taken apart. */
import type { UsageUnits } from "../prices/cost.ts";

type Plain = string | number | bigint | boolean | null;

type Columns = {
  /** The next value: a number, an id or a word, which need no quotes; an empty word is none. */
  plain(value: Plain): void;
  text(value: string | null): void;
  /** Each column as PostgreSQL's text of an array. */
  end(): string[];
};

/** Columns that are filled row by row: each value goes to the column behind the one before. */
export function startColumns(count: number): Columns {
  const texts = Array<string>(count).fill("");
  let at = 0;
  const put = (value: string) => {
    const before = texts[at] as string;
    texts[at] = before === "" ? value : `${before},${value}`;
    at = at === count - 1 ? 0 : at + 1;
  };
  return {
    plain: (value) => put(value === null || value === "" ? "NULL" : String(value)),
    text: (value) => put(value === null ? "NULL" : quoted(value)),
    end: () => texts.map((text) => `{${text}}`),
  };
}

export const arrayOf = (values: Plain[]): string => `{${values.map((value) => value ?? "NULL").join(",")}}`;
export const textsOf = (values: string[]): string => (values.length === 0 ? "{}" : `{${values.map(quoted).join(",")}}`);

/** PostgreSQL's text has no NUL; one in an upstream's answer must not stop a whole batch. */
const quoted = (text: string): string =>
  needsEscape.test(text) ? `"${text.replaceAll("\0", "").replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
const needsEscape = /["\\\0]/;

/** A JSON object as a value of an array; price classes and counts need no escapes of their own. */
export function quotedUnits(usage: UsageUnits): string {
  let text = "";
  for (const unitClass in usage) {
    const units = usage[unitClass];
    if (units !== undefined) text += `${text === "" ? "" : ","}\\"${unitClass}\\":${units}`;
  }
  return `"{${text}}"`;
}
