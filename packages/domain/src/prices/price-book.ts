/** Finds the price of a model: by its name, by its name without a snapshot's date, or by the longest pattern. */
import type { Prices } from "./cost.ts";

export type PriceVersion = {
  id: string;
  /** A name, or the beginning of names and a `*`. */
  model: string;
  prices: Prices;
  contextTokens: number | null;
  maxOutputTokens: number | null;
};

export type PriceBook = { find(model: string): PriceVersion | null };

const snapshotDate = /-\d{4}-\d{2}-\d{2}$/;

/** Of several versions for one model the last one counts. */
export function createPriceBook(versions: readonly PriceVersion[]): PriceBook {
  const exact = new Map(versions.map((version) => [version.model, version]));
  const patterns = [...exact.values()]
    .filter(({ model }) => model.endsWith("*"))
    .sort((a, b) => b.model.length - a.model.length);
  return {
    find: (model) =>
      (model.endsWith("*") ? undefined : exact.get(model)) ??
      exact.get(model.replace(snapshotDate, "")) ??
      patterns.find((version) => model.startsWith(version.model.slice(0, -1))) ??
      null,
  };
}
