/** What only informs, as a column takes it: a clock that was set by a month, or a NUL, must not stop a charge. */

const mostInt4 = 2 ** 31 - 1;

/** A whole number from 0 to the most of 32 bits; 0 for what is no number. */
export function clampedInt4(value: number): number {
  if (value >= 0 && value <= mostInt4) return value | 0;
  return value > mostInt4 ? mostInt4 : 0;
}

export const clampedInt4OrNull = (value: number | null): number | null => (value === null ? null : clampedInt4(value));

/** Text without what PostgreSQL refuses: NUL, and halves of surrogate pairs, which no UTF-8 has. */
export const storableText = (text: string): string => Buffer.from(text.replaceAll("\0", "")).toString();
