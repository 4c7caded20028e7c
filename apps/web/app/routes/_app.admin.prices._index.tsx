import { data, redirect, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, Link, useActionData, useLoaderData } from "@remix-run/react";
import { Plus, Tags } from "lucide-react";
import { priceColumns } from "../components/price-columns";
import { PriceFields, readPriceForm } from "../components/price-fields";
import { ListSearch } from "../components/list-search";
import { Button, LinkButton, Submit } from "../components/ui/button";
import { Dialog, DialogActions } from "../components/ui/dialog";
import { FormFault } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Empty, PageHead, pageOf, Section } from "../components/ui/page";
import { useFormDialog } from "../components/ui/use-form-dialog";
import { attempt, requireAdmin } from "../guards";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.prices.title);
export const clientAction = keepForm;

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
        <List
          rows={prices}
          keyOf={({ id }) => id}
          empty={<Empty icon={Tags} title={t.prices.empty} lead={t.prices.emptyLead} />}
          paging={{ page, pageSize, total }}
          columns={[
            {
              name: t.prices.columns.model,
              of: ({ model }) => (
                <Link to={`/admin/prices/${encodeURIComponent(model)}`} className="font-medium hover:underline">
                  {model}
                </Link>
              ),
            },
            ...priceColumns(t),
          ]}
        />
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
