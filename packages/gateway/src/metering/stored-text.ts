/** Texts from outside that end up in the database: PostgreSQL takes no NUL, and what is no Unicode would come back changed. */

// eslint-disable-next-line no-control-regex
const notStorable = /[\u0000-\u001f\u007f]/;
const loneSurrogate = /\p{Surrogate}/u;

export const isStorable = (text: string): boolean => !notStorable.test(text) && !loneSurrogate.test(text);

/** The text where it can be kept; null where it is none, is longer than any honest one, or cannot be stored. */
export const storableOrNull = (value: unknown, maxChars = 256): string | null =>
  typeof value === "string" && value !== "" && value.length <= maxChars && isStorable(value) ? value : null;
