/** What a line of the log says happened, in words: `充值 $100.00`, `name: before → after`. */
import { lastDayOf, usd } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import type { Texts } from "../i18n/zh";

type Details = Record<string, unknown>;

export function AuditDetails({ action, details }: { action: string; details: Details }) {
  const t = useTexts();
  const sentences = sentencesOf(action, details, t);
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

function sentencesOf(action: string, details: Details, t: Texts): string[] {
  const { amountUsd, after, note } = details;
  if (action === "update_balance" && typeof amountUsd === "string") {
    const said = amountUsd.startsWith("-") ? t.logs.taken(usd(amountUsd.slice(1))) : t.logs.credited(usd(amountUsd));
    return [said, ...named({ note, balanceUsd: after }, t)];
  }
  if (action === "update_status") return [after === "suspended" ? t.logs.suspended : t.logs.activated];
  return generalSentencesOf(details, t);
}

function generalSentencesOf({ before, after, ...rest }: Details, t: Texts): string[] {
  if (isRecord(after)) {
    const known = isRecord(before) ? before : {};
    const changes = Object.keys(after).flatMap((name) => {
      const [from, to] = [wordOf(name, known[name], t), wordOf(name, after[name], t)];
      return from === to ? [] : [`${nameOf(name, t)}: ${isRecord(before) ? `${from} → ` : ""}${to}`];
    });
    return [...changes, ...named(rest, t)];
  }
  const change = after === undefined ? [] : [`${wordOf("", before, t)} → ${wordOf("", after, t)}`];
  return [...change, ...named(rest, t)];
}

const named = (values: Details, t: Texts): string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${nameOf(name, t)}: ${wordOf(name, value, t)}`],
  );

const nameOf = (name: string, t: Texts): string => t.logs.fields[name] ?? name;

function wordOf(name: string, value: unknown, t: Texts): string {
  if (value === null || value === undefined || value === "") return t.common.none;
  if (typeof value === "boolean") return value ? t.common.yes : t.common.no;
  if (Array.isArray(value)) return value.length === 0 ? t.common.none : value.join(", ");
  if (name.endsWith("Ppm")) return `${Number(value) / 10_000 - 100}%`;
  if (typeof value !== "string") return JSON.stringify(value);
  if (name.endsWith("NanoUsd"))
    return usd(`${value.padStart(10, "0").slice(0, -9)}.${value.padStart(10, "0").slice(-9)}`);
  if (name === "expiresAt") return lastDayOf(value);
  return name.endsWith("Usd") ? usd(value) : value;
}

const isRecord = (value: unknown): value is Details => typeof value === "object" && value !== null;
