/** Spend or requests per day as stacked bars, drawn on the server: it is there before JavaScript is, and costs none. */
import { exactUsd, formatOf, usd } from "../i18n/format";
import { usePreferences, useTexts } from "../i18n/use-texts";

type Day = { day: string; series: string; requests: number; costUsd: string };

const maxSeries = 5;
const height = 180;
const barWidth = 16;
const gap = 8;

type Measure = "cost" | "requests";

/** Heights of bars need no exactness, only sums do. */
const sizes: Record<Measure, (day: Day) => number> = {
  cost: ({ costUsd }) => Number(costUsd),
  requests: ({ requests }) => requests,
};

/** The last `count` days that end with `today`, both `YYYY-MM-DD`. */
function lastDays(today: string, count: number): string[] {
  const end = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: count }, (_, at) =>
    new Date(end - (count - 1 - at) * 86_400_000).toISOString().slice(0, 10),
  );
}

type ChartProps = { data: Day[]; today: string; label: string; measure?: Measure };

export function DailyChart({ data, today, label, measure = "cost" }: ChartProps) {
  const t = useTexts();
  const { language } = usePreferences();
  // The days are dates already: they are only spelled, in no time zone.
  const { count, day: spelled } = formatOf(language, "UTC");
  const sizeOf = sizes[measure];
  const days = lastDays(today, 30);
  const bySeries = new Map<string, number>();
  for (const day of data) bySeries.set(day.series, (bySeries.get(day.series) ?? 0) + sizeOf(day));
  const ranked = [...bySeries].sort((a, b) => b[1] - a[1]).map(([series]) => series);
  const named = ranked.slice(0, maxSeries);
  const legend = ranked.length > maxSeries ? [...named, t.dashboard.others] : named;
  const colorOf = (series: string) => {
    const at = named.indexOf(series);
    return `var(--series-${at === -1 ? 6 : at + 1})`;
  };
  const totals = days.map((day) =>
    data.filter((each) => each.day === day).reduce((sum, each) => sum + sizeOf(each), 0),
  );
  const top = Math.max(...totals, 1e-9);
  const width = days.length * (barWidth + gap) - gap;
  return (
    <figure>
      <p aria-hidden className="mb-1 text-xs text-muted tabular-nums">
        {measure === "cost" ? usd(top.toFixed(9)) : count(top)}
      </p>
      <svg
        viewBox={`0 0 ${width} ${height + 1}`}
        className="h-44 w-full sm:h-52"
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
      >
        <line x1="0" x2={width} y1={height} y2={height} stroke="var(--line)" vectorEffect="non-scaling-stroke" />
        <line
          x1="0"
          x2={width}
          y1="1"
          y2="1"
          stroke="var(--line)"
          strokeDasharray="3 4"
          vectorEffect="non-scaling-stroke"
        />
        {days.map((day, at) => {
          let y = height;
          const parts = data
            .filter((each) => each.day === day)
            .sort((a, b) => ranked.indexOf(a.series) - ranked.indexOf(b.series));
          return (
            <g key={day}>
              {parts.map((part) => {
                const size = Math.max((sizeOf(part) / top) * (height - 4), 1.5);
                y -= size;
                return (
                  <rect
                    key={part.series}
                    x={at * (barWidth + gap)}
                    y={y}
                    width={barWidth}
                    height={size}
                    rx="2"
                    fill={colorOf(part.series)}
                  >
                    <title>{`${spelled(day)} ${part.series} ${exactUsd(part.costUsd)}, ${t.dashboard.requests(count(part.requests))}`}</title>
                  </rect>
                );
              })}
            </g>
          );
        })}
      </svg>
      <figcaption className="mt-1">
        <div className="flex justify-between text-xs text-muted tabular-nums">
          <span>{spelled(days[0] ?? today)}</span>
          <span>{spelled(today)}</span>
        </div>
        {legend.length > 1 && (
          <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-sm text-muted">
            {legend.map((series) => (
              <li key={series} className="flex items-center gap-1.5">
                <span aria-hidden className="size-2.5 rounded-sm" style={{ background: colorOf(series) }} />
                {series}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
    </figure>
  );
}
