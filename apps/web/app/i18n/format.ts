/** Money, counts and times as people read them. Money stays decimal text: no amount passes through a float. */
import { usePreferences } from "./use-texts";

/**
 * `$10.50`, but `$0.000370`: as many digits as an amount needs. `text` is a decimal with nine places. Digits that are
 * left out are cut, not rounded: a balance is never shown higher than it is.
 */
export function usd(text: string): string {
  const isNegative = text.startsWith("-");
  const [whole = "0", fraction = ""] = (isNegative ? text.slice(1) : text).split(".");
  const places = whole !== "0" ? 2 : placesOf(fraction);
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return `${isNegative ? "−" : ""}$${grouped}.${fraction.padEnd(9, "0").slice(0, places)}`;
}

function placesOf(fraction: string): number {
  const first = fraction.search(/[1-9]/);
  if (first === -1) return 2;
  const last = fraction.replace(/0+$/, "").length;
  if (last <= 2) return 2;
  return first < 2 ? 4 : first < 6 ? 6 : 9;
}

/** All of an amount's digits, at least two places, without the zeros behind the last one. */
export function exactUsd(text: string): string {
  const [whole = "0", fraction = ""] = text.replace("-", "").split(".");
  return `${text.startsWith("-") ? "−" : ""}$${whole}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** An amount as one types it: `0`, `10`, `1.50`. */
export const typedUsd = (text: string): string => exactUsd(text).replace("$", "").replace(/\.00$/, "");

/** The last day of what ends with a day in UTC, as a date field takes it. */
export const lastDayOf = (end: Date | string): string => new Date(end).toISOString().slice(0, 10);

export type Format = {
  count: (value: number) => string;
  /** `1.2K`, in Chinese `1.2万`: where there is little room. */
  compact: (value: number) => string;
  /** `2026-01-15`, in English `Jan 15, 2026`. */
  day: (date: Date | string) => string;
  /** `2026-01-15 10:30`, in English `Jan 15, 2026, 10:30`. */
  minute: (date: Date | string) => string;
  second: (date: Date | string) => string;
  /** The last day of what ends with a day in UTC, as days are written. */
  lastDay: (end: Date | string) => string;
  /** `2026-01-15` in every language, for what is not read by people. */
  isoDay: (date: Date | string) => string;
};

export function useFormat(): Format {
  const { language, timeZone } = usePreferences();
  return formatOf(language, timeZone);
}

export function formatOf(language: string, timeZone: string): Format {
  const locale = language === "en" ? "en-US" : "zh-CN";
  const numbers = new Intl.NumberFormat(locale);
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
  const parts = (date: Date | string, locale = "en-GB") => {
    const format = new Intl.DateTimeFormat(locale, {
      timeZone,
      year: "numeric",
      month: locale === "en-GB" ? "2-digit" : "short",
      day: locale === "en-GB" ? "2-digit" : "numeric",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    });
    return Object.fromEntries(format.formatToParts(new Date(date)).map(({ type, value }) => [type, value]));
  };
  const isoDay = (date: Date | string) => {
    const { year, month, day } = parts(date);
    return `${year}-${month}-${day}`;
  };
  const englishDay = (date: Date | string) => {
    const { year, month, day } = parts(date, "en-US");
    return `${month} ${day}, ${year}`;
  };
  const day = language === "en" ? englishDay : isoDay;
  const minute = (date: Date | string) => {
    const { hour, minute: of } = parts(date);
    return `${day(date)}${language === "en" ? "," : ""} ${hour}:${of}`;
  };
  return {
    count: (value) => numbers.format(value),
    compact: (value) => compact.format(value),
    day,
    minute,
    second: (date) => `${minute(date)}:${parts(date).second}`,
    lastDay: (end) => (timeZone === "UTC" ? day(end) : formatOf(language, "UTC").day(end)),
    isoDay,
  };
}
