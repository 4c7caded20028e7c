import { data, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useLoaderData, useLocation } from "@remix-run/react";
import { ChartNoAxesColumn, Download } from "lucide-react";
import { useState } from "react";
import { ChargeDetails } from "../components/charge-details";
import { Button } from "../components/ui/button";
import { Dialog } from "../components/ui/dialog";
import { Field, Select } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { requireUser } from "../guards";
import { exactUsd, usd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { usageFilterOf } from "../usage-filter";

export const meta = titled((t) => t.usage.title);

const pageSize = 25;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireUser(request, context);
  const page = pageOf(request);
  const filter = usageFilterOf(request);
  const [rows, totals, models, keys] = await Promise.all([
    caller.usage.list({ ...filter, limit: pageSize, offset: (page - 1) * pageSize }),
    caller.usage.totals(filter),
    caller.dashboard.models(),
    caller.keys.list(),
  ]);
  return data({ rows, totals, models, keys: keys.map(({ id, name }) => ({ id, name })), filter, page }, { headers });
}

export default function Usage() {
  const t = useTexts();
  const format = useFormat();
  const { rows, totals, models, keys, filter, page } = useLoaderData<typeof loader>();
  const { search } = useLocation();
  const [opened, setOpened] = useState<string | null>(null);
  return (
    <>
      <PageHead title={t.usage.title}>
        <a
          href={`/usage.csv${search}`}
          className="inline-flex h-9 items-center gap-2 rounded-lg border border-line-strong bg-surface px-4 text-sm font-medium hover:bg-sunken"
        >
          <Download aria-hidden className="size-4" />
          {t.usage.csv}
        </a>
      </PageHead>
      <Form className="grid grid-cols-2 items-end gap-4 md:grid-cols-[1fr_1fr_1fr_1fr_auto]">
        <Field
          name="from"
          label={t.usage.from}
          type="date"
          defaultValue={filter.fromDay}
          key={`from${filter.fromDay}`}
        />
        <Field name="to" label={t.usage.to} type="date" defaultValue={filter.toDay} key={`to${filter.toDay}`} />
        <Select name="model" label={t.common.model} defaultValue={filter.model ?? ""} key={`model${filter.model}`}>
          <option value="">{t.usage.allModels}</option>
          {models.map((model) => (
            <option key={model}>{model}</option>
          ))}
        </Select>
        <Select name="key" label={t.usage.key} defaultValue={filter.apiKeyId ?? ""} key={`key${filter.apiKeyId}`}>
          <option value="">{t.usage.allKeys}</option>
          {keys.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Select>
        <Button type="submit" look="quiet" className="col-span-2 md:col-span-1">
          {t.common.filter}
        </Button>
      </Form>
      <Section isFlush>
        <List
          rows={rows}
          keyOf={({ requestId }) => requestId}
          empty={<Empty icon={ChartNoAxesColumn} title={t.usage.empty} lead={t.usage.emptyLead} />}
          paging={{ page, pageSize, total: totals.requests }}
          sum={
            <p className="border-t border-line px-5 py-3 text-sm font-medium tabular-nums">
              {t.usage.totals(
                format.count(totals.inputTokens + totals.outputTokens),
                usd(totals.costUsd),
                format.count(totals.requests),
              )}
            </p>
          }
          columns={[
            { name: t.usage.columns.time, of: ({ createdAt }) => format.second(createdAt) },
            {
              name: t.usage.columns.model,
              className: "font-medium whitespace-nowrap",
              of: ({ model }) => model,
            },
            { name: t.usage.columns.key, className: "text-muted", of: ({ keyName }) => keyName },
            { name: t.usage.columns.input, isNumber: true, of: ({ inputTokens }) => format.count(inputTokens) },
            {
              name: t.usage.columns.cached,
              isNumber: true,
              className: "spare text-muted",
              of: ({ cachedTokens }) => format.count(cachedTokens),
            },
            { name: t.usage.columns.output, isNumber: true, of: ({ outputTokens }) => format.count(outputTokens) },
            {
              name: t.usage.columns.latency,
              isNumber: true,
              isHiddenOnTablets: true,
              className: "spare text-muted",
              of: ({ latencyMs }) => `${(latencyMs / 1_000).toFixed(2)} s`,
            },
            {
              name: t.usage.columns.cost,
              isNumber: true,
              of: ({ requestId, costUsd, createdAt }) => (
                <button
                  type="button"
                  className="font-medium underline decoration-line-strong decoration-dotted underline-offset-4 hover:decoration-accent"
                  title={exactUsd(costUsd)}
                  aria-label={`${usd(costUsd)} ${t.usage.whyOf(format.second(createdAt))}`}
                  onClick={() => setOpened(requestId)}
                >
                  {usd(costUsd)}
                </button>
              ),
            },
          ]}
        />
      </Section>
      <Dialog title={t.usage.why} isOpen={opened !== null} onOpenChange={() => setOpened(null)} isWide>
        {opened && <ChargeDetails requestId={opened} />}
      </Dialog>
    </>
  );
}
