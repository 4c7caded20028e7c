/** The filter of the usage page, as its address says it; the last 30 days where it says none. */
import { readPreferences } from "./preferences";

export type UsageFilter = {
  fromDay: string;
  toDay: string;
  timeZone: string;
  model: string | null;
  apiKeyId: string | null;
};

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const isDay = (text: string | null): text is string =>
  text !== null && /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text));

function dayIn(timeZone: string, daysAgo: number): string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return format.format(new Date(Date.now() - daysAgo * 86_400_000));
}

export function usageFilterOf(request: Request): UsageFilter {
  const { timeZone } = readPreferences(request);
  const { searchParams } = new URL(request.url);
  const [from, to] = [searchParams.get("from"), searchParams.get("to")];
  const key = searchParams.get("key");
  return {
    fromDay: isDay(from) ? from : dayIn(timeZone, 29),
    toDay: isDay(to) ? to : dayIn(timeZone, 0),
    timeZone,
    model: searchParams.get("model") || null,
    apiKeyId: key !== null && uuid.test(key) ? key : null,
  };
}
