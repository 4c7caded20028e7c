/** Money as people read and write it: decimal US dollars; inside it is whole nano-USD. */

const nanoPerUsd = 1_000_000_000n;

/** All nine places, e.g. `0.000176000`. */
export function usdOf(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? "-" : "";
  const abs = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  return `${sign}${abs / nanoPerUsd}.${String(abs % nanoPerUsd).padStart(9, "0")}`;
}

const decimal = /^([+-]?)(\d{1,9})(?:\.(\d{1,9}))?$/;

/** Null where the text is no amount with at most nine places. */
export function nanoUsdOf(text: string): bigint | null {
  const [, sign, whole, fraction = ""] = decimal.exec(text.trim()) ?? [];
  if (whole === undefined) return null;
  const nano = BigInt(whole) * nanoPerUsd + BigInt(fraction.padEnd(9, "0"));
  return sign === "-" ? -nano : nano;
}
