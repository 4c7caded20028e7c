import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Link, useActionData, useLoaderData } from "@remix-run/react";
import { useQuery } from "@tanstack/react-query";
import { Activity } from "lucide-react";
import { DailyChart } from "../components/daily-chart";
import { Note } from "../components/ui/field";
import { Badge, Empty, Figures, PageHead, Section } from "../components/ui/page";
import { UnpricedModels } from "../components/unpriced-models";
import { attempt, byIntent, requireAdmin, textOf } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, usePreferences, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { readPreferences } from "../preferences";
import { useTRPC } from "../trpc";

export const meta = titled((t) => t.overview.title);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const { timeZone } = readPreferences(request);
  const [figures, days, announcement, upstreams, unpriced] = await Promise.all([
    caller.admin.overview.figures({ timeZone }),
    caller.admin.overview.days({ timeZone }),
    caller.admin.overview.announcement(),
    caller.admin.upstreams.list(),
    caller.admin.prices.unpriced(),
  ]);
  return data({ figures, days, announcement, upstreams, unpriced, now: new Date().toISOString() }, { headers });
}

/** Prices a model that was asked for without a price, or forgets it. */
export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const model = textOf(form, "model");
  const { run } = byIntent(form, {
    price: () => caller.admin.prices.priceUnpriced({ model, basedOn: textOf(form, "basedOn") }),
    dismiss: () => caller.admin.prices.dismissUnpriced({ model }),
  });
  const { fault } = await attempt(context, run);
  return data({ fault }, { status: fault ? 400 : 200 });
}

const healthLooks = { healthy: "good", failing: "bad", unused: "plain" } as const;

export default function Overview() {
  const t = useTexts();
  const format = useFormat();
  const { timeZone } = usePreferences();
  const loaded = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const trpc = useTRPC();
  const { data: figures } = useQuery(
    trpc.admin.overview.figures.queryOptions(
      { timeZone },
      { initialData: loaded.figures, refetchInterval: 15_000, staleTime: 0 },
    ),
  );
  const requests = t.dashboard.requests(format.count(figures.requestsToday));
  return (
    <>
      <PageHead title={t.overview.title} lead={t.overview.lead} />
      <UnpricedModels models={loaded.unpriced} fault={answer?.fault} />
      {figures.debtors > 0 && (
        <div className="mb-6">
          <Note look="warn">{t.overview.debt(usd(figures.debtUsd), figures.debtors)}</Note>
        </div>
      )}
      <Figures
        figures={[
          {
            label: t.overview.users,
            value: format.count(figures.users.total),
            note: `+${format.count(figures.users.today)} ${t.common.today}`,
          },
          {
            label: t.overview.revenue,
            value: usd(figures.revenueUsd.total),
            title: exactUsd(figures.revenueUsd.total),
            note: `+${usd(figures.revenueUsd.today)} ${t.common.today}`,
          },
          {
            label: t.overview.spend,
            value: usd(figures.spendUsd.total),
            title: exactUsd(figures.spendUsd.total),
            note: `+${usd(figures.spendUsd.today)} ${t.common.today} · ${requests}`,
          },
          {
            label: t.overview.keys,
            value: format.count(figures.keys.total),
            note: `+${format.count(figures.keys.today)} ${t.common.today}`,
          },
        ]}
      />
      {loaded.days.length === 0 ? (
        <Section title={t.overview.chart}>
          <Empty icon={Activity} title={t.overview.chartEmpty} lead={t.dashboard.chartEmpty} />
        </Section>
      ) : (
        <div className="grid gap-x-6 lg:grid-cols-2">
          <Section title={t.overview.chart}>
            <DailyChart data={loaded.days} today={format.isoDay(loaded.now)} label={t.overview.chart} />
          </Section>
          <Section title={t.overview.requestsChart}>
            <DailyChart
              data={loaded.days}
              today={format.isoDay(loaded.now)}
              label={t.overview.requestsChart}
              measure="requests"
            />
          </Section>
        </div>
      )}
      <div className="grid gap-x-6 lg:grid-cols-2">
        <Section title={t.overview.announcement}>
          <p className={`text-sm leading-relaxed whitespace-pre-wrap ${loaded.announcement ? "" : "text-muted"}`}>
            {loaded.announcement || t.overview.noAnnouncement}
          </p>
        </Section>
        <Section title={t.overview.upstreams}>
          {loaded.upstreams.length === 0 && <p className="text-sm text-muted">{t.upstreams.emptyLead}</p>}
          <ul className="divide-y divide-line">
            {loaded.upstreams.map(({ id, name, baseUrl, health, isEnabled }) => (
              <li key={id} className="flex items-center justify-between gap-4 py-2.5 text-sm first:pt-0 last:pb-0">
                <span className="min-w-0">
                  <Link to="/admin/upstreams" className="font-medium hover:underline">
                    {name}
                  </Link>
                  <span className="block truncate text-muted">{baseUrl}</span>
                </span>
                {isEnabled ? (
                  <Badge look={healthLooks[health]}>{t.overview.health[health]}</Badge>
                ) : (
                  <Badge look="plain">{t.overview.disabled}</Badge>
                )}
              </li>
            ))}
          </ul>
        </Section>
      </div>
    </>
  );
}
