/**
 * What may come in, wherever it comes from: one rule each for texts, days, time zones and paths. Pure, so that pages in
 * the browser and on the server ask the same functions.
 */

/** C0 without tab, line feed and carriage return; DEL and C1. */
// eslint-disable-next-line no-control-regex -- these are the ones that are looked for
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;
const loneSurrogate = /\p{Surrogate}/u;
const lineBreak = /[\t\n\r\u2028\u2029]/;
/** Marks that turn the direction of what follows, and characters without a width: by them a name shows as another one. */
const invisible = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;

/** What PostgreSQL and UTF-8 can carry: whole characters, and no NUL. */
export const isStorable = (text: string): boolean => !loneSurrogate.test(text) && !text.includes("\0");

/** A text of several lines: whole Unicode, and no control characters. */
export const isPlainText = (text: string): boolean => !loneSurrogate.test(text) && !control.test(text);

/** A text of one line, in which nothing turns or hides what is next to it. */
export const isPlainLine = (text: string): boolean =>
  isPlainText(text) && !lineBreak.test(text) && !invisible.test(text);

const firstDay = "2000-01-01";
const lastDay = "2099-12-31";

/** A day of the calendar, `YYYY-MM-DD`, between the years 2000 and 2099. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || text < firstDay || text > lastDay) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const isUuid = (text: string): boolean => uuid.test(text);

/** Names of an area and a place: those that every PostgreSQL knows, whichever way its time zones were packed. */
const areaAndPlace =
  /^(?:Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)(?:\/[A-Z][A-Za-z_-]*){1,2}$/;
const offset = /^Etc\/GMT[+-]\d{1,2}$/;
const known = (name: string) => name === "UTC" || areaAndPlace.test(name) || offset.test(name);

/**
 * The time zone by a name that both JavaScript and PostgreSQL know: `Asia/Kolkata` as it is, `US/Pacific` as
 * `America/Los_Angeles`. Null for what is no time zone.
 */
export function timeZoneOf(name: string): string | null {
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions();
    if (known(name)) return name;
    return known(timeZone) ? timeZone : null;
  } catch {
    return null;
  }
}

const maxPathLength = 2_000;
const ours = "http://gateway.invalid";

/**
 * The path, query and fragment within this site that `text` leads to as browsers read it; null where it leads elsewhere.
 * Browsers drop tabs and line breaks and take a backslash for a slash, so only what a URL parser makes of it counts.
 */
export function pathWithinSite(text: string): string | null {
  if (!text.startsWith("/") || text.length > maxPathLength || !URL.canParse(text, ours)) return null;
  const { origin, pathname, search, hash } = new URL(text, ours);
  const path = pathname + search + hash;
  // `/.//evil` is of this site, and its normal form `//evil` is not.
  return origin === ours && URL.canParse(path, ours) && new URL(path, ours).origin === ours ? path : null;
}
