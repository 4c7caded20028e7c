/** Language, theme and time zone of a viewer: kept in cookies, so that the server renders the right page at once. */
import { timeZoneOf } from "@codex-gateway/domain/checks";

type Language = "zh-CN" | "en";
type Theme = "system" | "light" | "dark";
export type Preferences = { language: Language; theme: Theme; timeZone: string };

const yearSeconds = 31_536_000;

function cookieOf(request: Request, name: string): string | null {
  const value = new RegExp(`(?:^|;\\s*)${name}=([^;]*)`).exec(request.headers.get("cookie") ?? "")?.[1];
  try {
    return value === undefined ? null : decodeURIComponent(value);
  } catch {
    return null;
  }
}

/** The browser's first wish of those that there are; English where it wishes for others alone, Chinese where it says nothing. */
function wishedLanguage(request: Request): Language {
  const wishes = (request.headers.get("accept-language") ?? "").toLowerCase().slice(0, 500).split(",");
  const languages = wishes.map((wish) => wish.trim()).filter((wish) => /^[a-z]/.test(wish));
  const known = languages.find((wish) => /^(?:zh|en)\b/.test(wish));
  return known?.startsWith("en") || (!known && languages.length > 0) ? "en" : "zh-CN";
}

export function readPreferences(request: Request): Preferences {
  const language = cookieOf(request, "language");
  const theme = cookieOf(request, "theme");
  const timeZone = cookieOf(request, "time-zone");
  return {
    language: language === "en" || language === "zh-CN" ? language : wishedLanguage(request),
    theme: theme === "light" || theme === "dark" ? theme : "system",
    timeZone: timeZoneOf(timeZone ?? "") ?? "UTC",
  };
}

export const preferenceCookie = (name: "language" | "theme", value: string): string =>
  `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=${yearSeconds}; SameSite=Lax`;

/** Run in the browser: tells the server when the viewer's day begins. True where it did not know yet. */
export function rememberTimeZone(known: string): boolean {
  const timeZone = timeZoneOf(Intl.DateTimeFormat().resolvedOptions().timeZone);
  if (timeZone === null || timeZone === known) return false;
  document.cookie = `time-zone=${encodeURIComponent(timeZone)}; Path=/; Max-Age=${yearSeconds}; SameSite=Lax`;
  return true;
}
