/** Handing the installation over: the owner offers it, the other one accepts or declines. */
import { Form } from "@remix-run/react";
import type { Fault } from "../guards";
import { useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { Field, FormFault } from "./ui/field";
import { Section } from "./ui/page";

export type Offer = { email: string; isMine: boolean; expiresAt: Date | string };

export function Ownership({ offer, isOwner, fault }: { offer: Offer | null; isOwner: boolean; fault: Fault | null }) {
  const t = useTexts();
  const format = useFormat();
  if (offer?.isMine) {
    return (
      <Section title={t.people.offeredToYou} lead={t.people.offeredLead(format.minute(offer.expiresAt))}>
        <FormFault fault={fault} />
        <Form method="post" className="flex flex-wrap gap-2">
          <Submit intent="accept-ownership">{t.people.accept}</Submit>
          <Submit look="quiet" intent="drop-ownership">
            {t.people.decline}
          </Submit>
        </Form>
      </Section>
    );
  }
  if (!isOwner) return null;
  return (
    <Section title={t.people.ownership} lead={t.people.ownershipLead}>
      {offer ? (
        <Form method="post" className="space-y-4">
          <FormFault fault={fault} />
          <p className="text-sm wrap-anywhere">{t.people.offered(offer.email, format.minute(offer.expiresAt))}</p>
          <Submit look="quiet" intent="drop-ownership">
            {t.people.withdrawOffer}
          </Submit>
        </Form>
      ) : (
        <Form method="post" className="max-w-sm space-y-4">
          <FormFault fault={fault} />
          <Field
            id="new-owner"
            name="email"
            label={t.people.ownershipTo}
            type="email"
            autoComplete="off"
            required
            error={fault?.fields.email}
          />
          <Field
            id="ownership-current"
            name="currentPassword"
            label={t.account.current}
            type="password"
            autoComplete="current-password"
            required
            error={fault?.fields.currentPassword}
          />
          <Submit look="quiet" intent="offer-ownership">
            {t.people.offer}
          </Submit>
        </Form>
      )}
    </Section>
  );
}
