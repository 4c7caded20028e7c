import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { priceColumns } from "../components/price-columns";
import { PriceFields, readPriceForm } from "../components/price-fields";
import { Submit } from "../components/ui/button";
import { FormFault, Note } from "../components/ui/field";
import { List } from "../components/ui/list";
import { PageHead, Section } from "../components/ui/page";
import { attempt, orNotFound, requireAdmin } from "../guards";
import { useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.prices.title);
export const clientAction = keepForm;

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
  if (!current) return null;
  return (
    <>
      <PageHead
        back={{ to: "/admin/prices", label: t.prices.back }}
        title={t.prices.editTitle(current.model)}
        lead={t.prices.lead}
      />
      <Section>
        <Form method="post" key={current.id} className="space-y-6">
          <FormFault fault={answer?.fault} />
          {answer && !answer.fault && <Note look="good">{t.common.saved}</Note>}
          <PriceFields price={current} fields={answer?.fault?.fields ?? {}} />
          <Submit>{t.prices.saveVersion}</Submit>
        </Form>
      </Section>
      <Section title={t.prices.history} isFlush>
        <List
          rows={history}
          keyOf={({ id }) => id}
          empty={null}
          columns={[{ name: t.prices.since, of: ({ validFrom }) => format.second(validFrom) }, ...priceColumns(t)]}
        />
      </Section>
    </>
  );
}
