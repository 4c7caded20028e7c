/** The filter of the usage page, as its address says it; the last 30 days where it says none. */
import { isDay, isPlainLine, isUuid } from "@codex-gateway/domain/checks";
import { readPreferences } from "./preferences";

export type UsageFilter = {
  fromDay: string;
  toDay: string;
  timeZone: string;
  model: string | null;
  apiKeyId: string | null;
};

const maxModelLength = 256;

function dayIn(timeZone: string, daysAgo: number): string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  return format.format(new Date(Date.now() - daysAgo * 86_400_000));
}

export function usageFilterOf(request: Request): UsageFilter {
  const { timeZone } = readPreferences(request);
  const { searchParams } = new URL(request.url);
  /** Null where the address does not say it. What it says and nobody can read is no reason to show something else. */
  const read = (name: string, isReadable: (text: string) => boolean) => {
    const text = searchParams.get(name) || null;
    if (text !== null && !isReadable(text)) throw new Response("Bad request", { status: 400 });
    return text;
  };
  return {
    fromDay: read("from", isDay) ?? dayIn(timeZone, 29),
    toDay: read("to", isDay) ?? dayIn(timeZone, 0),
    timeZone,
    model: read("model", (text) => text.length <= maxModelLength && isPlainLine(text)),
    apiKeyId: read("key", isUuid),
  };
}
