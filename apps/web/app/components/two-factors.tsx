/** The account's second factor: turned on with an app, recovery codes, turned off. */
import { Form } from "@remix-run/react";
import { useRef } from "react";
import type { Fault } from "../guards";
import { useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { CopyButton } from "./ui/copy-button";
import { Field, FormFault, Note } from "./ui/field";
import { Badge, Section } from "./ui/page";

type TwoFactorState = {
  isOn: boolean;
  recoveryCodesLeft: number;
  pending: { secret: string; qr: string } | null;
};

type Props = {
  state: TwoFactorState;
  /** By the intent of the form that was answered. */
  faultOf: (intent: string) => Fault | null;
  /** Just made, and shown this once. */
  recoveryCodes: string[] | null;
  done: string | null;
};

export function TwoFactors({ state, faultOf, recoveryCodes, done }: Props) {
  const t = useTexts();
  return (
    <Section
      title={t.people.twoFactors}
      lead={t.people.twoFactorsLead}
      actions={<Badge look={state.isOn ? "good" : "plain"}>{state.isOn ? t.people.on : t.people.off}</Badge>}
    >
      <div className="space-y-5">
        {done && <Note look="good">{done}</Note>}
        {recoveryCodes && <RecoveryCodes codes={recoveryCodes} />}
        {state.isOn ? (
          <TurnedOn left={state.recoveryCodesLeft} faultOf={faultOf} />
        ) : state.pending ? (
          <Confirm pending={state.pending} fault={faultOf("confirm-two-factors")} />
        ) : (
          <PasswordForm
            id="begin"
            intent="begin-two-factors"
            label={t.people.turnOn}
            fault={faultOf("begin-two-factors")}
          />
        )}
      </div>
    </Section>
  );
}

function TurnedOn({ left, faultOf }: { left: number; faultOf: Props["faultOf"] }) {
  const t = useTexts();
  const { count } = useFormat();
  return (
    <>
      <p className="text-sm text-muted">{t.people.recoveryLeft(count(left))}</p>
      <div className="grid gap-6 lg:grid-cols-2">
        <PasswordForm id="renew" intent="renew-codes" label={t.people.renewCodes} fault={faultOf("renew-codes")} />
        <PasswordForm
          id="disable"
          intent="disable-two-factors"
          label={t.people.turnOff}
          look="danger"
          fault={faultOf("disable-two-factors")}
        />
      </div>
    </>
  );
}

type PasswordFormProps = {
  id: string;
  intent: string;
  label: string;
  look?: "primary" | "danger";
  fault: Fault | null;
};

function PasswordForm({ id, intent, label, look = "primary", fault }: PasswordFormProps) {
  const t = useTexts();
  return (
    <Form method="post" className="max-w-sm space-y-4">
      <FormFault fault={fault} />
      <Field
        id={`${id}-current`}
        name="currentPassword"
        label={t.account.current}
        type="password"
        autoComplete="current-password"
        required
        error={fault?.fields.currentPassword}
      />
      <Submit look={look} intent={intent}>
        {label}
      </Submit>
    </Form>
  );
}

function Confirm({ pending: { secret, qr }, fault }: { pending: { secret: string; qr: string }; fault: Fault | null }) {
  const t = useTexts();
  return (
    <div className="flex flex-wrap gap-6">
      <img
        src={qr}
        alt={t.people.qrAlt}
        width={176}
        height={176}
        className="size-44 rounded-lg border border-line bg-white p-2"
      />
      <Form method="post" className="max-w-sm min-w-60 flex-1 space-y-4">
        <FormFault fault={fault} />
        <p className="text-sm">{t.people.scan}</p>
        <p className="text-sm text-muted">
          {t.people.orType}{" "}
          <code data-testid="totp-secret" className="font-mono break-all text-ink select-all">
            {secret}
          </code>
        </p>
        <Field
          name="code"
          label={t.people.code}
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={40}
          required
          error={fault?.fields.code}
        />
        <Submit intent="confirm-two-factors">{t.people.confirmOn}</Submit>
      </Form>
    </div>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }) {
  const t = useTexts();
  const shown = useRef<HTMLUListElement>(null);
  return (
    <div role="status" className="rounded-xl border border-line-strong p-4">
      <h3 className="font-medium">{t.people.recoveryTitle}</h3>
      <p className="mt-1 text-sm text-muted">{t.people.recoveryLead}</p>
      <ul
        ref={shown}
        data-testid="recovery-codes"
        className="mt-3 grid gap-x-6 gap-y-1 font-mono text-sm sm:grid-cols-2"
      >
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <div className="mt-4">
        <CopyButton look="quiet" text={codes.join("\n")} label={t.people.copyCodes} source={shown} />
      </div>
    </div>
  );
}
