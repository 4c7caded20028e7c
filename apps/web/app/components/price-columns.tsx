/** The columns of prices, which the price book and the history of a model share. */
import { exactUsd } from "../i18n/format";
import type { Texts } from "../i18n/zh";
import type { Column } from "./ui/list";
import { Badge } from "./ui/page";

type Priced = { bands: { usdPerMillion: Record<string, string> }[]; markupPpm: number; source: string };

export function priceColumns(t: Texts): Column<Priced>[] {
  const amount = (name: string, [unitClass, olderName]: readonly string[], className = "") => ({
    name,
    isNumber: true,
    className,
    of: ({ bands }: Priced) => {
      const amounts = bands[0]?.usdPerMillion;
      const dollars = amounts?.[unitClass ?? ""] ?? amounts?.[olderName ?? ""];
      return dollars === undefined ? t.common.none : exactUsd(dollars);
    },
  });
  return [
    amount(t.prices.columns.input, ["input"]),
    amount(t.prices.columns.cached, ["cached_input"], "text-muted"),
    amount(t.prices.columns.write, ["cache_write_30m", "cache_write"], "spare text-muted"),
    amount(t.prices.columns.output, ["output"]),
    {
      name: t.prices.columns.markup,
      isNumber: true,
      className: "text-muted",
      of: ({ markupPpm }) => `${markupPpm / 10_000 - 100}%`,
    },
    {
      name: t.prices.columns.source,
      of: ({ source }) => <Badge look="plain">{t.prices.sources[source] ?? source}</Badge>,
    },
  ];
}
