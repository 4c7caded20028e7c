/** What a line of the log says happened, in words: `充值 $100.00`, `name: before → after`. */
import { exactUsd, usd, useFormat, type Format } from "../i18n/format";
import { useServerMessage, useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";

type Details = Record<string, unknown>;

export function AuditDetails({ action, details }: { action: string; details: Details }) {
  const [t, format, say] = [useTexts(), useFormat(), useServerMessage()];
  const sentences = sentencesOf(action, details, { t, format, say });
  if (sentences.length === 0) return t.common.none;
  return (
    <ul className="space-y-0.5 wrap-anywhere">
      {sentences.map((sentence) => (
        <li key={sentence} className="line-clamp-2">
          {sentence}
        </li>
      ))}
    </ul>
  );
}

type Words = { t: Texts; format: Format; say: (message: string) => string };

function sentencesOf(action: string, details: Details, words: Words): string[] {
  const { t } = words;
  const { amountUsd, after, note } = details;
  if (action === "update_balance" && typeof amountUsd === "string") {
    const said = amountUsd.startsWith("-") ? t.logs.taken(usd(amountUsd.slice(1))) : t.logs.credited(usd(amountUsd));
    return [said, ...named({ note, balanceUsd: after }, words)];
  }
  if (action === "update_status") return [after === "suspended" ? t.logs.suspended : t.logs.activated];
  // What these change is in their names, or by ids that tell people nothing.
  if (action === "enable_key" || action === "disable_key") return named({ name: details.name }, words);
  if (action === "apply_prices") return named({ models: details.models }, words);
  return generalSentencesOf(details, words);
}

function generalSentencesOf({ before, after, ...rest }: Details, words: Words): string[] {
  if (isRecord(after) && isRecord(before)) {
    const [known, now] = [withPrices(before), withPrices(after)];
    const changes = [...new Set([...Object.keys(now), ...Object.keys(known)])].flatMap((name) => {
      const [from, to] = [wordOf(name, known[name], words), wordOf(name, now[name], words)];
      return from === to ? [] : [`${nameOf(name, words)}: ${from} → ${to}`];
    });
    return [...changes, ...named(rest, words)];
  }
  // What is new, or is gone.
  const only = isRecord(after) ? after : isRecord(before) ? before : null;
  if (only) return [...named(withPrices(only), words), ...named(rest, words)];
  const isChange = typeof before === "string" || typeof after === "string";
  const change = isChange ? [`${wordOf("", before, words)} → ${wordOf("", after, words)}`] : [];
  return [...change, ...named(rest, words)];
}

type Band = { aboveInputTokens: number; usdPerMillion: Record<string, string> };

/** Each price of a price's bands under a name of its own, so that only those that have changed are told. */
const withPrices = ({ bands, ...rest }: Details): Details => ({
  ...rest,
  ...Object.fromEntries(
    (Array.isArray(bands) ? (bands as Band[]) : []).flatMap(({ aboveInputTokens, usdPerMillion }) =>
      Object.entries(usdPerMillion).map(([unit, dollars]) => [`${unit}.${aboveInputTokens}`, exactUsd(dollars)]),
    ),
  ),
});

/** What has not been changed needs no words. */
const named = (values: Details, words: Words): string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    isNothing(value) || (name.endsWith("Changed") && value === false)
      ? []
      : [`${nameOf(name, words)}: ${wordOf(name, value, words)}`],
  );

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

function nameOf(name: string, { t, format }: Words): string {
  const [, unit, above] = /^(\w+)\.(-?\d+)$/.exec(name) ?? [];
  if (unit === undefined) return t.logs.fields[name] ?? name;
  const band = Number(above) < 0 ? "" : ` (> ${format.count(Number(above))})`;
  return (t.usage.classes[unit] ?? unit) + band;
}

function wordOf(name: string, value: unknown, { t, format, say }: Words): string {
  if (value === null || value === undefined || value === "") return t.common.none;
  if (typeof value === "boolean") return value ? t.common.yes : t.common.no;
  if (Array.isArray(value)) return value.length === 0 ? t.common.none : value.join(", ");
  if (name.endsWith("Ppm")) return `${Number(value) / 10_000 - 100}%`;
  if (typeof value !== "string") return JSON.stringify(value);
  if (name.endsWith("NanoUsd"))
    return usd(`${value.padStart(10, "0").slice(0, -9)}.${value.padStart(10, "0").slice(-9)}`);
  if (name === "expiresAt") return format.lastDay(value);
  if (name === "attempt") return t.logs.actions[value] ?? value;
  if (name === "fault") return say(value);
  return name.endsWith("Usd") ? usd(value) : value;
}

const isRecord = (value: unknown): value is Details => typeof value === "object" && value !== null;
