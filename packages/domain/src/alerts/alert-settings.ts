/** Where alerts go. The webhook's secret and the mail server's address, which holds its password, are sealed and never shown. */
import { isDeepStrictEqual } from "node:util";
import type { Database } from "@codex-gateway/db";
import { requireAllowedAddress, isPrivateHost } from "../access/outbound-address.ts";
import type { Secrets } from "../access/secrets.ts";
import { AppError } from "../app-error.ts";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import { usdOf } from "../ledger/money.ts";
import { emailSchema } from "../people/credentials.ts";
import { readSealedSettings, writeSealedSetting, type SealedSettings } from "../settings/sealed-settings.ts";
import { readSettings, writeSettings, type Settings } from "../settings/settings.ts";
import type { AlertChannel, Queryable } from "./alert.ts";

/** `isPrivateAllowed`: it may lead into the operator's own network, as upstreams then may, and be plain http. */
export type WebhookTarget = { url: string; secret: string; isPrivateAllowed: boolean };
/** A public mail server is spoken to over TLS alone. */
export type EmailTarget = {
  smtpUrl: string;
  isTlsRequired: boolean;
  isPrivateAllowed: boolean;
  from: string;
  to: string;
};
/** Null: not set. */
export type AlertTargets = { webhook: WebhookTarget | null; email: EmailTarget | null };

export type AlertSettings = {
  lowBalanceUsd: string;
  webhookUrl: string;
  emailFrom: string;
  emailTo: string;
  hasWebhookSecret: boolean;
  hasSmtpUrl: boolean;
};

export type AlertSettingsInput = {
  lowBalanceNanoUsd: bigint;
  /** Empty: no webhook, and its secret is forgotten. */
  webhookUrl: string;
  /** null: it stays as it is. */
  webhookSecret: string | null;
  /** null: it stays as it is. */
  smtpUrl: string | null;
  emailFrom: string;
  /** Empty: no e-mail, and the mail server's address is forgotten. */
  emailTo: string;
};

const minSecretLength = 16;

export async function readAlertSettings(db: Pick<Database, "pool">, secrets: Secrets): Promise<AlertSettings> {
  const settings = await readSettings(db);
  const sealed = await readSealedSettings(db, secrets);
  return {
    lowBalanceUsd: usdOf(BigInt(settings.lowBalanceNanoUsd)),
    webhookUrl: settings.alertWebhookUrl,
    emailFrom: settings.alertEmailFrom,
    emailTo: settings.alertEmailTo,
    hasWebhookSecret: sealed.alertWebhookSecret !== null,
    hasSmtpUrl: sealed.smtpUrl !== null,
  };
}

/** What is saved, for sending. */
export async function openAlertTargets(db: Pick<Database, "pool">, secrets: Secrets): Promise<AlertTargets> {
  const settings = await readSettings(db);
  const { alertWebhookSecret, smtpUrl } = await readSealedSettings(db, secrets);
  const { alertWebhookUrl: url, alertEmailFrom: from, alertEmailTo: to } = settings;
  const isPrivateAllowed = settings.allowsPrivateUpstreams;
  return {
    webhook: url !== "" && alertWebhookSecret !== null ? { url, secret: alertWebhookSecret, isPrivateAllowed } : null,
    email:
      to !== "" && smtpUrl !== null
        ? { smtpUrl, isTlsRequired: isTlsRequired(smtpUrl), isPrivateAllowed, from, to }
        : null,
  };
}

/** What was typed, with what is saved where a secret was left empty: for a test before it is saved. @throws AppError `invalid_input` */
export async function checkAlertTarget(
  db: Pick<Database, "pool">,
  secrets: Secrets,
  { channel, input }: { channel: AlertChannel; input: AlertSettingsInput },
): Promise<AlertTargets> {
  const settings = await readSettings(db);
  const sealed = await readSealedSettings(db, secrets);
  const targets = {
    webhook: channel === "webhook" ? webhookOf(input, sealed, settings) : null,
    email: channel === "email" ? emailOf(input, sealed, settings) : null,
  };
  if (channel === "webhook" && !targets.webhook) {
    throw new AppError("invalid_input", "Enter the address of the webhook.", "webhookUrl");
  }
  if (channel === "email" && !targets.email) {
    throw new AppError("invalid_input", "Enter a valid e-mail address.", "emailTo");
  }
  return targets;
}

/** All or nothing; what is as it was before leaves no line in the log. @throws AppError `invalid_input` */
export async function saveAlertSettings(
  db: Database,
  secrets: Secrets,
  { input, actor }: { input: AlertSettingsInput; actor: Actor },
): Promise<void> {
  await inTransaction(db, async (client) => {
    const before = await readSettings({ pool: client });
    const sealed = await readSealedSettings({ pool: client }, secrets);
    const webhook = webhookOf(input, sealed, before);
    const email = emailOf(input, sealed, before);
    const after = {
      lowBalanceNanoUsd: String(input.lowBalanceNanoUsd),
      alertWebhookUrl: webhook?.url ?? "",
      alertEmailFrom: email?.from ?? "",
      alertEmailTo: email?.to ?? "",
    };
    const isWebhookSecretChanged = (webhook?.secret ?? null) !== sealed.alertWebhookSecret;
    const isSmtpUrlChanged = (email?.smtpUrl ?? null) !== sealed.smtpUrl;
    if (!isWebhookSecretChanged && !isSmtpUrlChanged && isDeepStrictEqual({ ...before, ...after }, before)) return;
    await writeSettings(client, after);
    await writeSealed(client, secrets, { sealed, alertWebhookSecret: webhook?.secret, smtpUrl: email?.smtpUrl });
    await appendAudit(client, actor, {
      action: "update_settings",
      targetKind: "system",
      targetId: null,
      details: {
        before: auditable(before),
        after: auditable(after),
        isWebhookSecretChanged,
        isSmtpUrlChanged,
      },
    });
  });
}

/** The path of a webhook's address is a secret with many services: the log names its host. */
const auditable = (
  settings: Pick<Settings, "lowBalanceNanoUsd" | "alertWebhookUrl" | "alertEmailFrom" | "alertEmailTo">,
) => ({
  lowBalanceNanoUsd: settings.lowBalanceNanoUsd,
  alertWebhookHost: settings.alertWebhookUrl === "" ? "" : new URL(settings.alertWebhookUrl).host,
  alertEmailFrom: settings.alertEmailFrom,
  alertEmailTo: settings.alertEmailTo,
});

async function writeSealed(
  client: Queryable,
  secrets: Secrets,
  {
    sealed,
    ...wanted
  }: { sealed: SealedSettings; alertWebhookSecret: string | undefined; smtpUrl: string | undefined },
): Promise<void> {
  for (const name of ["alertWebhookSecret", "smtpUrl"] as const) {
    const value = wanted[name] ?? null;
    if (value !== sealed[name]) await writeSealedSetting(client, secrets, name, value);
  }
}

function webhookOf(
  input: AlertSettingsInput,
  sealed: SealedSettings,
  { allowsPrivateUpstreams }: Settings,
): WebhookTarget | null {
  if (input.webhookUrl === "") return null;
  const url = URL.canParse(input.webhookUrl) ? new URL(input.webhookUrl) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new AppError("invalid_input", "Enter an address such as https://example.com/alerts.", "webhookUrl");
  }
  requireAllowedAddress(url, { isPrivateAllowed: allowsPrivateUpstreams, field: "webhookUrl" });
  const secret = input.webhookSecret ?? sealed.alertWebhookSecret ?? "";
  if (secret.length < minSecretLength) {
    throw new AppError("invalid_input", "Enter a secret of at least 16 characters.", "webhookSecret");
  }
  return { url: url.href, secret, isPrivateAllowed: allowsPrivateUpstreams };
}

function emailOf(
  input: AlertSettingsInput,
  sealed: SealedSettings,
  { allowsPrivateUpstreams }: Settings,
): EmailTarget | null {
  if (input.emailTo === "") return null;
  const to = input.emailTo.split(",").map((address) => checkedEmail(address, "emailTo"));
  const from = checkedEmail(input.emailFrom, "emailFrom");
  const smtpUrl = input.smtpUrl ?? sealed.smtpUrl ?? "";
  const url = URL.canParse(smtpUrl) ? new URL(smtpUrl) : null;
  // A query would set options of the client that are no address.
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === "" || url.search || url.hash || !isDecodable(url)) {
    throw new AppError("invalid_input", "Enter an address such as smtps://user:password@mail.example.com.", "smtpUrl");
  }
  if (!allowsPrivateUpstreams && isPrivateHost(url.hostname)) {
    throw new AppError("invalid_input", "The mail server must be public; a setting allows private ones.", "smtpUrl");
  }
  return {
    smtpUrl,
    isTlsRequired: isTlsRequired(smtpUrl),
    isPrivateAllowed: allowsPrivateUpstreams,
    from,
    to: to.join(", "),
  };
}

/** User name and password are percent-encoded in it. */
function isDecodable({ username, password }: URL): boolean {
  try {
    return !/[\0\r\n]/.test(decodeURIComponent(username) + decodeURIComponent(password));
  } catch {
    return false;
  }
}

const isTlsRequired = (smtpUrl: string): boolean => !isPrivateHost(new URL(smtpUrl).hostname);

function checkedEmail(text: string, field: string): string {
  const parsed = emailSchema.safeParse(text);
  if (!parsed.success) throw new AppError("invalid_input", "Enter a valid e-mail address.", field);
  return parsed.data;
}
