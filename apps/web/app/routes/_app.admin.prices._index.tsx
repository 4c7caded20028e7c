import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { Plus, Tags } from "lucide-react";
import { PriceFields, readPriceForm } from "../components/price-fields";
import { ListSearch } from "../components/list-search";
import { Button, LinkButton, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { FormFault } from "../components/ui/field";
import { Badge, Empty, PageHead, Pager, pageOf, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, requireAdmin } from "../guards";
import { exactUsd } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";

export const meta = titled((t) => t.prices.title);

const pageSize = 25;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  const page = pageOf(request);
  const search = (new URL(request.url).searchParams.get("search") ?? "").slice(0, 200);
  const [found, proposals] = await Promise.all([
    caller.admin.prices.list({ search, limit: pageSize, offset: (page - 1) * pageSize }),
    caller.admin.prices.proposals(),
  ]);
  return data({ ...found, page, search, proposals: proposals.length }, { headers });
}

/** Adds a model. */
export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const price = readPriceForm(form);
  const { fault } = await attempt(context, () => caller.admin.prices.change(price));
  return fault ? data({ fault }, { status: 400 }) : redirect(`/admin/prices/${encodeURIComponent(price.model)}`);
}

export default function Prices() {
  const t = useTexts();
  const { prices, total, page, search, proposals } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  const dialog = useFormDialog<"new">(answer);
  const dollars = (text: string | undefined) => (text === undefined ? t.common.none : exactUsd(text));
  return (
    <>
      <PageHead title={t.prices.title} lead={t.prices.lead}>
        <Button onClick={() => dialog.open("new")}>
          <Plus aria-hidden className="size-4" />
          {t.prices.add}
        </Button>
      </PageHead>
      {proposals > 0 && (
        <div className="mb-6 flex flex-wrap items-center justify-between gap-3 rounded-2xl border border-line bg-surface px-5 py-4 text-sm">
          <span>{t.prices.proposals(proposals)}</span>
          <LinkButton look="quiet" to="/admin/prices/proposals">
            {t.prices.reviewProposals}
          </LinkButton>
        </div>
      )}
      <ListSearch label={t.prices.searchLabel} placeholder="gpt-" search={search} submit={t.common.search} />
      <Section isFlush>
        {prices.length === 0 ? (
          <Empty icon={Tags} title={t.prices.empty} lead={t.prices.emptyLead} />
        ) : (
          <>
            <table className="table">
              <thead>
                <tr>
                  <th>{t.prices.columns.model}</th>
                  <th className="number">{t.prices.columns.input}</th>
                  <th className="number">{t.prices.columns.cached}</th>
                  <th className="number">{t.prices.columns.write}</th>
                  <th className="number">{t.prices.columns.output}</th>
                  <th className="number">{t.prices.columns.markup}</th>
                  <th>{t.prices.columns.source}</th>
                </tr>
              </thead>
              <tbody>
                {prices.map((price) => {
                  const base = price.bands[0]?.usdPerMillion ?? {};
                  return (
                    <tr key={price.id}>
                      <td data-label={t.prices.columns.model}>
                        <Link
                          to={`/admin/prices/${encodeURIComponent(price.model)}`}
                          className="font-medium hover:underline"
                        >
                          {price.model}
                        </Link>
                      </td>
                      <td data-label={t.prices.columns.input} className="number">
                        {dollars(base.input)}
                      </td>
                      <td data-label={t.prices.columns.cached} className="number text-muted">
                        {dollars(base.cached_input)}
                      </td>
                      <td data-label={t.prices.columns.write} className="number spare text-muted">
                        {dollars(base.cache_write)}
                      </td>
                      <td data-label={t.prices.columns.output} className="number">
                        {dollars(base.output)}
                      </td>
                      <td data-label={t.prices.columns.markup} className="number text-muted">
                        {price.markupPpm / 10_000 - 100}%
                      </td>
                      <td data-label={t.prices.columns.source}>
                        <Badge look="plain">{t.prices.sources[price.source] ?? price.source}</Badge>
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
            <Pager page={page} pageSize={pageSize} total={total} />
          </>
        )}
      </Section>
      <Dialog title={t.prices.addTitle} isOpen={dialog.subject !== null} onOpenChange={dialog.close} isWide>
        <Form method="post" className="space-y-5">
          <FormFault fault={dialog.fault} />
          <PriceFields price={null} fields={dialog.fault?.fields ?? {}} />
          <DialogActions>
            <Submit>{t.prices.add}</Submit>
          </DialogActions>
        </Form>
      </Dialog>
    </>
  );
}
