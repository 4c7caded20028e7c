/**
 * Spend or requests per day as stacked bars, laid out by the server: they are there before JavaScript is. For those who
 * do not see them a table says the same.
 */
import { useState, type CSSProperties } from "react";
import { useFormat, usd, type Format } from "../i18n/format";
import { usePreferences, useTexts } from "../i18n/use-texts";
import { chartOf, type ChartDay, type DailyUsage, type Measure } from "./chart-data";

const dayCount = 30;
const daysBetweenLabels = 7;

type ChartProps = { data: DailyUsage[]; today: string; label: string; measure?: Measure };

export function DailyChart({ data, today, label, measure = "cost" }: ChartProps) {
  const t = useTexts();
  const format = useFormat();
  const spelled = useSpelledDay();
  const [pointedAt, setPointedAt] = useState<number | null>(null);
  const { days, series, total, ticks, top } = chartOf(data, { today, dayCount, measure, others: t.dashboard.others });
  const say = sayOf(measure, format);
  const axis = axisOf(measure, format, ticks);
  const isInFirstHalf = pointedAt !== null && pointedAt * 2 < dayCount;
  const pointed = pointedAt === null ? undefined : days[pointedAt];
  return (
    <figure>
      <p className="text-2xl font-semibold tracking-tight tabular-nums">{say(total)}</p>
      <div role="img" aria-label={label} className="mt-5 flex text-xs text-muted tabular-nums">
        <div className="grid pr-2.5 text-right">
          {ticks.map((tick) => (
            // Each label lies on its line, as wide as the widest.
            <span key={tick} className="col-start-1 row-start-1 h-0 leading-none" style={{ marginTop: yOf(tick, top) }}>
              <span className="block -translate-y-1/2">{axis(tick)}</span>
            </span>
          ))}
        </div>
        <div className="relative min-w-0 flex-1 pb-7" onPointerLeave={() => setPointedAt(null)}>
          <div className="relative" style={{ height: plotHeight }}>
            {ticks.map((tick) => (
              <div key={tick} className="absolute inset-x-0 border-t border-line" style={{ top: yOf(tick, top) }} />
            ))}
            <div className="absolute inset-0 flex">
              {days.map((day, at) => (
                <Column
                  key={day.day}
                  day={day}
                  top={top}
                  isPointedAt={at === pointedAt}
                  onPointed={() => setPointedAt(at)}
                  isLast={at === dayCount - 1}
                  label={(dayCount - 1 - at) % daysBetweenLabels === 0 ? spelled(day.day, "short") : null}
                  isLabelledOnPhones={(dayCount - 1 - at) % (2 * daysBetweenLabels) === 0}
                />
              ))}
            </div>
          </div>
          {pointed && pointedAt !== null && (
            <div
              className={`pointer-events-none absolute top-0 z-10 min-w-44 rounded-lg border border-line bg-surface p-3 whitespace-nowrap shadow-lg ${isInFirstHalf ? "max-sm:right-0 sm:left-(--beside)" : "max-sm:left-0 sm:right-(--beside)"}`}
              style={besideOf(isInFirstHalf ? pointedAt : dayCount - 1 - pointedAt)}
            >
              <p className="flex justify-between gap-6 font-medium text-ink">
                {spelled(pointed.day, "long")} <span>{say(pointed.total)}</span>
              </p>
              {series.length > 1 &&
                pointed.parts.map((part) => (
                  <p key={part.series} className="mt-1.5 flex items-center gap-1.5">
                    <Swatch color={part.color} />
                    <span className="mr-auto pr-6">{part.series}</span>
                    {say(part.size)}
                  </p>
                ))}
            </div>
          )}
        </div>
      </div>
      {series.length > 1 && (
        <ul aria-hidden className="mt-3 flex flex-wrap gap-x-5 gap-y-1.5 text-sm">
          {series.map(({ name, color, size }) => (
            <li key={name} className="flex items-center gap-1.5">
              <Swatch color={color} />
              {name}
              <span className="text-muted tabular-nums">{say(size)}</span>
            </li>
          ))}
        </ul>
      )}
      <div className="sr-only">
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th>{t.usage.columns.time}</th>
              {series.length > 1 && series.map(({ name }) => <th key={name}>{name}</th>)}
              <th>{t.usage.sum}</th>
            </tr>
          </thead>
          <tbody>
            {days.map((day) => (
              <tr key={day.day}>
                <th>{spelled(day.day, "long")}</th>
                {series.length > 1 &&
                  series.map(({ name }) => (
                    <td key={name}>{say(day.parts.find((part) => part.series === name)?.size ?? 0n)}</td>
                  ))}
                <td>{say(day.total)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </figure>
  );
}

const plotHeight = "12rem";

const yOf = (size: bigint, top: bigint): string => `calc(${plotHeight} * ${1 - share(size, top)})`;

/** Where there is room what a day is made of stands beside it, on a phone in the other half. */
const besideOf = (daysToTheEdge: number) =>
  ({ "--beside": `${((daysToTheEdge + 1.3) / dayCount) * 100}%` }) as CSSProperties;

/** Heights need no exactness, only what is written does. */
const share = (size: bigint, top: bigint): number => Number(size) / Number(top);

type ColumnProps = {
  day: ChartDay;
  top: bigint;
  isPointedAt: boolean;
  onPointed: () => void;
  label: string | null;
  /** On a narrow screen every second label has the room of two. */
  isLabelledOnPhones: boolean;
  isLast: boolean;
};

function Column({ day, top, isPointedAt, onPointed, label, isLabelledOnPhones, isLast }: ColumnProps) {
  return (
    <div
      className={`relative flex flex-1 flex-col justify-end ${isPointedAt ? "bg-sunken" : ""}`}
      onPointerEnter={onPointed}
    >
      <div className="mx-auto flex w-[78%] flex-col-reverse gap-px overflow-hidden rounded-t-[3px]">
        {day.parts.map(({ series, color, size }) => (
          <div
            key={series}
            className="shrink-0"
            style={{ background: color, height: `max(2px, calc(${plotHeight} * ${share(size, top)} - 1px))` }}
          />
        ))}
      </div>
      {label && (
        <span
          className={`absolute top-full mt-2 leading-none whitespace-nowrap ${isLast ? "right-0" : "left-1/2 -translate-x-1/2"} ${isLabelledOnPhones ? "" : "max-sm:hidden"}`}
        >
          {label}
        </span>
      )}
    </div>
  );
}

const Swatch = ({ color }: { color: string }) => (
  <span aria-hidden className="size-2.5 shrink-0 rounded-sm" style={{ background: color }} />
);

/** The days are dates already: they are only spelled, in no time zone. */
function useSpelledDay(): (day: string, length: "short" | "long") => string {
  const { language } = usePreferences();
  const long = new Intl.DateTimeFormat(language, { timeZone: "UTC", month: "short", day: "numeric", weekday: "short" });
  const short = new Intl.DateTimeFormat(language, { timeZone: "UTC", month: "short", day: "numeric" });
  return (day, length) => (length === "long" ? long : short).format(new Date(`${day}T00:00:00Z`));
}

const decimalOf = (nano: bigint): string =>
  `${nano / 1_000_000_000n}.${String(nano % 1_000_000_000n).padStart(9, "0")}`;

const sayOf =
  (measure: Measure, { count }: Format) =>
  (size: bigint) =>
    measure === "cost" ? usd(decimalOf(size)) : count(Number(size));

/** Where all lines are at whole dollars they need no cents, and thousands no zeros. */
const axisOf = (measure: Measure, { compact }: Format, ticks: bigint[]) => {
  if (measure === "requests") return (size: bigint) => compact(Number(size));
  const isWhole = ticks.every((tick) => tick % 1_000_000_000n === 0n);
  return (size: bigint) => (isWhole ? `$${compact(Number(size / 1_000_000_000n))}` : usd(decimalOf(size)));
};
