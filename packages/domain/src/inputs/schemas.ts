/** The members that inputs are made of. Every text, day, number and id of an input is one of these. */
import { nanoUsdOf } from "@codex-gateway/ledger";
import { z } from "zod";
import { isDay, isPlainLine, isPlainText, isStorable, timeZoneOf } from "./checks.ts";

const unreadable = "This has characters that cannot be kept.";

type Bounds = {
  /** In UTF-16 units, as forms count them; of a list, how many. */
  max: number;
  /** What to say where it is empty; without it, it may be. */
  required?: string;
};

function textThat(isPlain: (text: string) => boolean, { max, required }: Bounds) {
  // The length first: nothing longer is looked at.
  const text = z.string().max(max, { abort: true }).refine(isPlain, unreadable);
  return required === undefined ? text : text.min(1, required);
}

/** One line that is shown somewhere: a name, a note, a search. Blanks around it do not count. */
export const line = (options: Bounds) => z.string().trim().pipe(textThat(isPlainLine, options));

/** A text of several lines, kept as it was typed. */
export const lines = (options: Bounds) => textThat(isPlainText, options);

/** A password or the like: nothing of it is changed, and nothing shows it. */
export const secretText = (options: Bounds) => textThat(isStorable, options);

/** A secret that goes into a header: printable ASCII without blanks. Empty where `required` says nothing. */
export const headerSecret = ({ max, required }: Bounds) =>
  z
    .string()
    .trim()
    .pipe(
      z
        .string()
        .max(max)
        .regex(/^[\x21-\x7e]*$/, unreadable)
        .min(required === undefined ? 0 : 1, required),
    );

/** At most `max` of them. They are counted before the first one is looked at: each that is wrong has a message. */
export function list<Item extends z.ZodType>(item: Item, { max, required }: Bounds) {
  const items = z.array(item).min(required === undefined ? 0 : 1, required);
  return z.array(z.unknown()).max(max, { abort: true }).pipe(items) as unknown as z.ZodType<
    z.output<Item>[],
    z.input<Item>[]
  >;
}

/** A day of the calendar, `YYYY-MM-DD`. */
export const day = z.string().max(10, "Enter a date.").refine(isDay, "Enter a date.");

/** The viewer's time zone by its IANA name: it decides when a day begins. */
export const timeZone = z
  .string()
  .max(60, "Unknown time zone.")
  .transform((name, refinement) => {
    const found = timeZoneOf(name);
    if (found !== null) return found;
    refinement.addIssue({ code: "custom", message: "Unknown time zone." });
    return z.NEVER;
  });

type NumberOptions = {
  min: number;
  max: number;
  notANumber?: string;
  tooSmall?: string | undefined;
  tooLarge?: string | undefined;
};

/** Of a form as text, of a script as a number; never what JavaScript would make a number of, such as `true` or `[7]`. */
const typedNumber = (pattern: RegExp, message: string) =>
  z.union([z.number(message), z.string().trim().max(20, message).regex(pattern, message).transform(Number)], message);

export const wholeNumber = ({ min, max, notANumber = "Enter a whole number.", tooSmall, tooLarge }: NumberOptions) =>
  typedNumber(/^[+-]?\d+$/, notANumber).pipe(z.int(notANumber).min(min, tooSmall).max(max, tooLarge));

export const decimalNumber = ({ min, max, notANumber = "Enter a number.", tooSmall, tooLarge }: NumberOptions) =>
  typedNumber(/^[+-]?\d+(?:\.\d*)?$/, notANumber).pipe(z.number(notANumber).min(min, tooSmall).max(max, tooLarge));

/** A limit; null: unlimited. */
export const limit = (max: number) =>
  wholeNumber({ min: 1, max, tooSmall: "Enter at least 1.", tooLarge: "Enter a smaller number." }).nullable();

/** An amount of money as people write it, in US dollars; read as nano-USD. */
export const usdInput = z
  .string()
  .max(30)
  .transform((text, refinement) => {
    const nanoUsd = nanoUsdOf(text);
    if (nanoUsd !== null) return nanoUsd;
    refinement.addIssue({ code: "custom", message: "Enter an amount in dollars, e.g. 5.00." });
    return z.NEVER;
  });
