/** The form of an API key, a new one or one that is changed, and how it is read back. */
import type { PageApi } from "@codex-gateway/api";
import { Form } from "@remix-run/react";
import { textOf, textOrNull, type Fault } from "../guards";
import { lastDayOf, typedUsd } from "../i18n/format";
import { useServerMessage, useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { DialogActions } from "./ui/dialog";
import { Check, Field, FormFault } from "./ui/field";

export type Key = Awaited<ReturnType<PageApi["caller"]["keys"]["list"]>>[number];

const listOf = (form: FormData, name: string): string[] =>
  textOf(form, name)
    .split(/[,，\s]+/)
    .filter(Boolean);

export const readKeyForm = (form: FormData) => ({
  name: textOf(form, "name"),
  requestsPerMinute: textOrNull(form, "requestsPerMinute"),
  tokensPerMinute: textOrNull(form, "tokensPerMinute"),
  concurrentRequests: textOrNull(form, "concurrentRequests"),
  dailyBudgetUsd: textOrNull(form, "dailyBudgetUsd"),
  monthlyBudgetUsd: textOrNull(form, "monthlyBudgetUsd"),
  allowedModels: listOf(form, "allowedModels"),
  allowedEndpoints: form.getAll("allowedEndpoints").map(String),
  allowedAddresses: listOf(form, "allowedAddresses"),
  lastDay: textOrNull(form, "lastDay"),
});

/** `edited` null: a new key. */
export function KeyForm({ edited, ...rest }: { edited: Key | null; fault: Fault | null; endpoints: string[] }) {
  const { fault, endpoints } = rest;
  const t = useTexts();
  const fields = fault?.fields ?? {};
  const isOpen = edited !== null || Object.keys(fields).some((field) => field !== "name");
  return (
    <Form method="post" className="space-y-5">
      <FormFault fault={fault} />
      {edited && <input type="hidden" name="keyId" value={edited.id} />}
      <Field
        name="name"
        label={t.keys.name}
        placeholder={t.keys.namePlaceholder}
        defaultValue={edited?.name}
        required
        maxLength={100}
        error={fields.name}
      />
      <details className="group" open={isOpen}>
        <summary className="text-sm text-muted hover:text-ink">{t.keys.limits}</summary>
        <Limits limits={edited?.limits ?? null} endpoints={endpoints} fields={fields} />
        <div className="mt-4">
          <Field
            name="lastDay"
            label={t.keys.lastDay}
            type="date"
            defaultValue={edited?.expiresAt ? lastDayOf(edited.expiresAt) : ""}
            hint={t.keys.lastDayHint}
            error={fields.lastDay}
          />
        </div>
      </details>
      <DialogActions>
        <Submit intent={edited ? "update" : "create"}>{edited ? t.common.save : t.keys.submit}</Submit>
      </DialogActions>
    </Form>
  );
}

type LimitsProps = { limits: Key["limits"] | null; endpoints: string[]; fields: Record<string, string> };

function Limits({ limits, endpoints, fields }: LimitsProps) {
  const t = useTexts();
  const say = useServerMessage();
  /** A list's fault is told by the place in it. */
  const faultIn = (name: string) => Object.entries(fields).find(([field]) => field.split(".")[0] === name)?.[1];
  const amounts = [
    ["dailyBudgetUsd", t.keys.daily, "decimal"],
    ["monthlyBudgetUsd", t.keys.monthly, "decimal"],
    ["requestsPerMinute", t.keys.rpm, "numeric"],
    ["tokensPerMinute", t.keys.tpm, "numeric"],
    ["concurrentRequests", t.keys.concurrent, "numeric"],
  ] as const;
  const typed = (value: string | number | null | undefined) =>
    typeof value === "string" ? typedUsd(value) : (value ?? "");
  return (
    <>
      <div className="mt-4 grid grid-cols-2 items-end gap-4">
        {amounts.map(([name, label, inputMode]) => (
          <Field
            key={name}
            name={name}
            label={label}
            inputMode={inputMode}
            placeholder={t.common.unlimited}
            defaultValue={typed(limits?.[name])}
            error={fields[name]}
          />
        ))}
      </div>
      <div className="mt-4 space-y-4">
        <Field
          name="allowedModels"
          label={t.keys.models}
          placeholder="gpt-5*, gpt-4o-mini"
          defaultValue={limits?.allowedModels.join(", ")}
          hint={t.keys.modelsHint}
          error={faultIn("allowedModels")}
        />
        <fieldset>
          <legend className="mb-1.5 text-sm font-medium">{t.keys.endpoints}</legend>
          <div className="grid grid-cols-2 gap-2">
            {endpoints.map((each) => (
              <Check
                key={each}
                name="allowedEndpoints"
                value={each}
                label={each}
                defaultChecked={limits?.allowedEndpoints.includes(each) ?? false}
              />
            ))}
          </div>
          {faultIn("allowedEndpoints") && (
            <p className="mt-1.5 text-sm text-danger">{say(faultIn("allowedEndpoints") ?? "")}</p>
          )}
        </fieldset>
        <Field
          name="allowedAddresses"
          label={t.keys.addresses}
          placeholder="203.0.113.7, 10.0.0.0/8"
          defaultValue={limits?.allowedAddresses.join(", ")}
          hint={t.keys.addressesHint}
          error={faultIn("allowedAddresses")}
        />
      </div>
    </>
  );
}
