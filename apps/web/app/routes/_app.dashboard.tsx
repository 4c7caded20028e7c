import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { ChartNoAxesColumn, KeyRound, Megaphone, UserRound } from "lucide-react";
import { DailyChart } from "../components/daily-chart";
import { LinkButton, Submit } from "../components/ui/button";
import { Field, FormFault, Note } from "../components/ui/field";
import { Empty, Figures, PageHead, Section } from "../components/ui/page";
import { attempt, requireUser, textOf } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, usePreferences, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";
import { readPreferences } from "../preferences";
import { useTRPC } from "../trpc";

export const meta = titled((t) => t.dashboard.title);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireUser(request, context);
  const { timeZone } = readPreferences(request);
  const [overview, days, announcement] = await Promise.all([
    caller.dashboard.overview({ timeZone }),
    caller.dashboard.days({ timeZone }),
    caller.dashboard.announcement(),
  ]);
  return data({ overview, days, announcement, now: new Date().toISOString() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireUser(request, context);
  const form = await request.formData();
  const { fault, result } = await attempt(context, () => caller.dashboard.redeem({ code: textOf(form, "code") }));
  return data({ fault, creditedUsd: result?.amountUsd ?? null }, { status: fault ? 400 : 200 });
}

export default function Dashboard() {
  const t = useTexts();
  const format = useFormat();
  const { timeZone } = usePreferences();
  const loaded = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const trpc = useTRPC();
  // The figures keep themselves fresh while calls go through.
  const query = trpc.dashboard.overview.queryOptions(
    { timeZone },
    { initialData: loaded.overview, refetchInterval: 15_000, staleTime: 0 },
  );
  const { data: overview } = useQuery(query);
  // What a form has changed, a redeemed code, is in what was loaded after it.
  const queries = useQueryClient();
  useEffect(() => {
    queries.setQueryData(query.queryKey, loaded.overview);
  }, [loaded.overview]);
  const isHeld = overview.heldUsd !== "0.000000000";
  return (
    <>
      <PageHead title={t.dashboard.title} />
      {loaded.announcement && (
        <section className="mb-6 flex gap-3 rounded-2xl border border-line bg-surface p-5">
          <Megaphone aria-hidden className="mt-0.5 size-4 shrink-0 text-accent" />
          <div className="min-w-0">
            <h2 className="text-sm font-semibold">{t.dashboard.announcement}</h2>
            <p className="mt-1 text-sm leading-relaxed break-words whitespace-pre-wrap">{loaded.announcement}</p>
          </div>
        </section>
      )}
      {overview.debtUsd !== "0.000000000" && (
        <div className="mb-6">
          <Note look="warn">{t.dashboard.debt(usd(overview.debtUsd))}</Note>
        </div>
      )}
      {overview.isLow && overview.debtUsd === "0.000000000" && (
        <div className="mb-6">
          <Note look="warn">
            {overview.balanceUsd === "0.000000000" ? t.dashboard.noMoney : t.dashboard.low(usd(overview.balanceUsd))}
          </Note>
        </div>
      )}
      <Figures
        figures={[
          {
            label: t.dashboard.balance,
            value: usd(overview.balanceUsd),
            title: exactUsd(overview.balanceUsd),
            note: isHeld ? t.dashboard.held(usd(overview.heldUsd)) : undefined,
          },
          { label: t.dashboard.keys, value: format.count(overview.keyCount) },
          {
            label: t.dashboard.spentToday,
            value: usd(overview.spentTodayUsd),
            title: exactUsd(overview.spentTodayUsd),
          },
          { label: t.dashboard.requestsToday, value: format.count(overview.requestsToday) },
        ]}
      />
      <Section title={t.dashboard.chart}>
        {loaded.days.length === 0 ? (
          <Empty icon={ChartNoAxesColumn} title={t.overview.chartEmpty} lead={t.dashboard.chartEmpty} />
        ) : (
          <DailyChart data={loaded.days} today={format.isoDay(loaded.now)} label={t.dashboard.chart} />
        )}
      </Section>
      <div className="grid gap-x-6 lg:grid-cols-2">
        <Section title={t.dashboard.quick}>
          <div className="flex flex-wrap gap-2">
            <LinkButton to="/api-keys?create">
              <KeyRound aria-hidden className="size-4" />
              {t.dashboard.createKey}
            </LinkButton>
            <LinkButton look="quiet" to="/usage">
              <ChartNoAxesColumn aria-hidden className="size-4" />
              {t.dashboard.viewUsage}
            </LinkButton>
            <LinkButton look="quiet" to="/account">
              <UserRound aria-hidden className="size-4" />
              {t.dashboard.account}
            </LinkButton>
          </div>
        </Section>
        <Section title={t.dashboard.redeem}>
          <Form method="post" key={answer?.creditedUsd ?? ""} className="space-y-4">
            <FormFault fault={answer?.fault} />
            {answer?.creditedUsd && <Note look="good">{t.dashboard.redeemed(usd(answer.creditedUsd))}</Note>}
            <Field
              name="code"
              label={t.dashboard.redeemHint}
              placeholder="CG-XXXXX-XXXXX-XXXXX-XXXXX"
              autoComplete="off"
              required
              error={answer?.fault?.fields.code}
            />
            <Submit look="quiet">{t.dashboard.redeemSubmit}</Submit>
          </Form>
        </Section>
      </div>
    </>
  );
}
