/** Models that were asked for and have no price: each can be priced like its nearest sibling with one click. */
import { Form, Link } from "@remix-run/react";
import { X } from "lucide-react";
import type { Fault } from "../guards";
import { exactUsd, useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { FormFault } from "./ui/field";
import { Section } from "./ui/page";

type Suggestion = {
  kind: "published" | "sibling";
  basedOn: string;
  bands: { usdPerMillion: Record<string, string> }[];
};
type Unpriced = { model: string; requests: number; lastSeenAt: Date; suggestion: Suggestion | null };

export function UnpricedModels({ models, fault }: { models: Unpriced[]; fault: Fault | null | undefined }) {
  const t = useTexts();
  const format = useFormat();
  if (models.length === 0 && !fault) return null;
  return (
    <div className="mb-6">
      <Section title={t.unpriced.title} lead={t.unpriced.lead}>
        <FormFault fault={fault} />
        <ul className="divide-y divide-line">
          {models.map(({ model, requests, lastSeenAt, suggestion }) => (
            <li
              key={model}
              className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3 text-sm first:pt-0 last:pb-0"
            >
              <span className="min-w-0">
                <span className="block font-medium break-all">{model}</span>
                <span className="block text-muted">
                  {t.unpriced.seen(format.count(requests), format.minute(lastSeenAt))}
                </span>
              </span>
              <span className="flex items-center gap-2">
                {suggestion ? (
                  <Form method="post" className="flex flex-wrap items-center justify-end gap-x-3 gap-y-1">
                    <input type="hidden" name="model" value={model} />
                    <input type="hidden" name="basedOn" value={suggestion.basedOn} />
                    <span className="text-muted tabular-nums">{inShort(suggestion)}</span>
                    <Submit intent="price">
                      {suggestion.kind === "sibling"
                        ? t.unpriced.priceLike(suggestion.basedOn)
                        : t.unpriced.pricePublished}
                    </Submit>
                  </Form>
                ) : (
                  <Link to="/admin/prices" className="font-medium hover:underline">
                    {t.unpriced.setPrice}
                  </Link>
                )}
                <Form method="post">
                  <input type="hidden" name="model" value={model} />
                  <Submit
                    look="icon"
                    intent="dismiss"
                    aria-label={t.unpriced.dismiss(model)}
                    title={t.unpriced.dismiss(model)}
                  >
                    <X aria-hidden className="size-4" />
                  </Submit>
                </Form>
              </span>
            </li>
          ))}
        </ul>
      </Section>
    </div>
  );
}

/** Input and output per million tokens. */
const inShort = ({ bands }: Suggestion): string =>
  ["input", "output"]
    .map((unitClass) => bands[0]?.usdPerMillion[unitClass])
    .map((usd) => (usd === undefined ? "—" : exactUsd(usd)))
    .join(" / ");
