/**
 * Turns decimal text into the integers that prices are kept as: pico-USD per unit, parts per million. No float is
 * involved, so `1.25e-07` of a JSON file and `0.125` of a form come to the same number.
 */

const decimal = /^(\d{1,30})(?:\.(\d{1,60}))?(?:[eE]([+-]?\d{1,3}))?$/;

/**
 * Reads a decimal with an optional exponent and returns it times 10^`places`.
 * @throws RangeError where it is none, is negative, or has digits beyond those places
 */
export function scaledInteger(text: string, places: number): bigint {
  const [, whole, fraction = "", exponent = "0"] = decimal.exec(text) ?? [];
  if (whole === undefined) throw new RangeError("This is no decimal number of zero or more.");
  const shift = places + Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  if (digits % divisor !== 0n) throw new RangeError(`This number has digits behind its place ${places}.`);
  return digits / divisor;
}

/** Converts USD per million units into pico-USD per unit. @throws RangeError as `scaledInteger` */
export const picoUsdPerUnit = (usdPerMillion: string): string => String(scaledInteger(usdPerMillion, 6));

/** Converts USD per call, or per single unit, into pico-USD. @throws RangeError as `scaledInteger` */
export const picoUsdPerCall = (usd: string): string => String(scaledInteger(usd, 12));

/** Converts a factor into parts per million. @throws RangeError as `scaledInteger` */
export const ppmFromFactor = (factor: string): string => String(scaledInteger(factor, 6));

/** Multiplies pico-USD by a fraction. @throws RangeError where the result is no whole number */
export function scalePico(pico: string, numerator: bigint, denominator: bigint): string {
  const product = BigInt(pico) * numerator;
  if (product % denominator !== 0n) throw new RangeError("The scaled price is no whole number of pico-USD.");
  return String(product / denominator);
}
