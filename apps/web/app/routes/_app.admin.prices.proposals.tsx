import { data, type ActionFunctionArgs, type LoaderFunctionArgs } from "@remix-run/node";
import { Form, useActionData, useLoaderData } from "@remix-run/react";
import { CircleCheck } from "lucide-react";
import { Submit } from "../components/ui/button";
import { FormFault, Note } from "../components/ui/field";
import { List } from "../components/ui/list";
import { Badge, Empty, PageHead, Section } from "../components/ui/page";
import { attempt, requireAdmin } from "../guards";
import { exactUsd, useFormat } from "../i18n/format";
import { titled, useTexts } from "../i18n/use-texts";
import { keepForm } from "../keep-form";

export const meta = titled((t) => t.prices.proposalsTitle);
export const clientAction = keepForm;

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, headers } = await requireAdmin(request, context);
  return data({ proposals: await caller.admin.prices.proposals() }, { headers });
}

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller } = await requireAdmin(request, context);
  const form = await request.formData();
  const [models = [], imported = []] = ["published", "imported"].map((origin) =>
    form.getAll(origin).filter((each): each is string => typeof each === "string"),
  );
  const { fault, result } = await attempt(context, () => caller.admin.prices.applyProposals({ models, imported }));
  return data({ fault, applied: result?.applied ?? null }, { status: fault ? 400 : 200 });
}

type Band = { aboveInputTokens: number; usdPerMillion: Record<string, string> };
const dollars = (text: string | undefined) => (text === undefined ? "—" : exactUsd(text));
const inShort = (bands: Band[], names: Readonly<Record<string, string>>) =>
  bands
    .map(({ usdPerMillion: of }) =>
      [
        [of.input, of.cached_input, of.output].map(dollars).join(" / "),
        ...Object.entries(of).flatMap(([unit, usd]) =>
          unit.endsWith("_call") ? `${names[unit] ?? unit} ${exactUsd(usd)}` : [],
        ),
      ].join(" · "),
    )
    .join(", ");

const tiersInShort = (tiers: Record<string, number>): string =>
  Object.entries(tiers)
    .map(([tier, factor]) => `${tier} ×${factor}`)
    .join(" · ");

export default function Proposals() {
  const t = useTexts();
  const format = useFormat();
  const { proposals } = useLoaderData<typeof loader>();
  const answer = useActionData<typeof action>();
  return (
    <>
      <Form method="post">
        <PageHead
          back={{ to: "/admin/prices", label: t.prices.back }}
          title={t.prices.proposalsTitle}
          lead={t.prices.proposalsLead}
        >
          {proposals.length > 0 && <Submit>{t.prices.apply}</Submit>}
        </PageHead>
        <FormFault fault={answer?.fault} />
        {answer?.applied && <Note look="good">{t.prices.applied(answer.applied)}</Note>}
        <Section isFlush>
          <List
            rows={proposals}
            keyOf={({ model, origin }) => `${origin} ${model}`}
            empty={<Empty icon={CircleCheck} title={t.prices.noProposals} lead={t.prices.noProposalsLead} />}
            columns={[
              {
                name: t.prices.columns.model,
                of: ({ model, origin }) => (
                  <label className="inline-flex items-center gap-2.5 font-medium">
                    <input type="checkbox" name={origin} value={model} className="size-4 accent-accent" />
                    {model}
                    {origin === "imported" && <Badge look="plain">{t.prices.imported}</Badge>}
                  </label>
                ),
              },
              {
                name: t.prices.before,
                className: "text-muted",
                of: ({ before, tiers }) => (
                  <span>
                    {before ? inShort(before, t.usage.classes) : t.prices.newModel}
                    {tiers && <span className="block">{tiersInShort(tiers.before)}</span>}
                  </span>
                ),
              },
              {
                name: t.prices.after,
                of: ({ after, tiers, maxOutputTokens }) => (
                  <span>
                    {inShort(after, t.usage.classes)}
                    {tiers && <span className="block">{tiersInShort(tiers.after)}</span>}
                    {maxOutputTokens && (
                      <span className="block">
                        {t.prices.maxOutput} {format.count(maxOutputTokens)}
                      </span>
                    )}
                  </span>
                ),
              },
            ]}
          />
        </Section>
      </Form>
    </>
  );
}
