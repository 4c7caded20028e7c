import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { ArrowLeft } from "lucide-react";
import { PriceFields, readPriceForm } from "../components/price-fields";
import { Submit } from "../components/ui/button";
import { FormFault, Note } from "../components/ui/field";
import { Badge, PageHead, Section } from "../components/ui/page";
import { attempt, orNotFound, requireAdmin } from "../guards";
import { exactUsd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";

export const meta = titled((t) => t.prices.title);

export async function loader({ request, context, params }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const history = await orNotFound(context, caller.admin.prices.history({ model: params.model ?? "" }));
  return data({ history }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const price = readPriceForm(await request.formData());
  const { fault } = await attempt(context, () => caller.admin.prices.change(price));
  return data({ fault }, { status: fault ? 400 : 200 });
}

export default function Price() {
  const t = useTexts();
  const format = useFormat();
  const { history } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const [current] = history;
  const dollars = (text: string | undefined) => (text === undefined ? t.common.none : exactUsd(text));
  if (!current) return null;
  return (
    <>
      <Link to="/admin/prices" className="mb-3 inline-flex items-center gap-1.5 text-sm text-muted hover:text-ink">
        <ArrowLeft aria-hidden className="size-4" />
        {t.prices.back}
      </Link>
      <PageHead title={t.prices.editTitle(current.model)} lead={t.prices.lead} />
      <Section>
        <Form method="post" key={current.id} className="space-y-6">
          <FormFault fault={answer?.fault} />
          {answer && !answer.fault && <Note look="good">{t.common.saved}</Note>}
          <PriceFields price={current} fields={answer?.fault?.fields ?? {}} />
          <Submit>{t.prices.saveVersion}</Submit>
        </Form>
      </Section>
      <Section title={t.prices.history} isFlush>
        <table className="table">
          <thead>
            <tr>
              <th>{t.prices.since}</th>
              <th className="number">{t.prices.columns.input}</th>
              <th className="number">{t.prices.columns.cached}</th>
              <th className="number">{t.prices.columns.output}</th>
              <th className="number">{t.prices.columns.markup}</th>
              <th>{t.prices.columns.source}</th>
            </tr>
          </thead>
          <tbody>
            {history.map((version) => {
              const base = version.bands[0]?.usdPerMillion ?? {};
              return (
                <tr key={version.id}>
                  <td data-label={t.prices.since}>{format.second(version.validFrom)}</td>
                  <td data-label={t.prices.columns.input} className="number">
                    {dollars(base.input)}
                  </td>
                  <td data-label={t.prices.columns.cached} className="number text-muted">
                    {dollars(base.cached_input)}
                  </td>
                  <td data-label={t.prices.columns.output} className="number">
                    {dollars(base.output)}
                  </td>
                  <td data-label={t.prices.columns.markup} className="number text-muted">
                    {version.markupPpm / 10_000 - 100}%
                  </td>
                  <td data-label={t.prices.columns.source}>
                    <Badge look="plain">{t.prices.sources[version.source] ?? version.source}</Badge>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Section>
    </>
  );
}
