/** Where alerts go. The webhook's secret and the mail server's address, which holds its password, are sealed and never shown. */
import type { Database, Queryable } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import { requireAllowedAddress, isPrivateHost } from "../security/outbound-address.ts";
import type { Secrets } from "../security/secrets.ts";
import { AppError, checkAll } from "../app-error.ts";
import { recordEvent, type Actor } from "../audit/audit.ts";
import { emailSchema } from "../identity/credentials.ts";
import { readSealedSettings, writeSealedSetting, type SealedSettings } from "../settings/sealed-settings.ts";
import { readSettings, writeSettings, type AlertSettingName, type Settings } from "../settings/settings.ts";
import type { AlertChannel } from "./alert.ts";

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
    webhook: channel === "webhook" ? webhookOf(input, sealed, settings.allowsPrivateUpstreams) : null,
    email: channel === "email" ? emailOf(input, sealed, settings.allowsPrivateUpstreams) : null,
  };
  if (channel === "webhook" && !targets.webhook) {
    throw new AppError("invalid_input", "Enter the address of the webhook.", "webhookUrl");
  }
  if (channel === "email" && !targets.email) {
    throw new AppError("invalid_input", "Enter a valid e-mail address.", "emailTo");
  }
  return targets;
}

type Known = { settings: Settings; sealed: SealedSettings };

/** What is to be written, after all of it was checked. */
export type AlertSettingsPlan = {
  settings: Pick<Settings, AlertSettingName>;
  sealed: SealedSettings;
  isWebhookSecretChanged: boolean;
  isSmtpUrlChanged: boolean;
};

/**
 * Checks the inputs, of which those that are left out stay as they are, against the settings that are to count.
 * @throws AppError `invalid_input` that names every input that is wrong
 */
export function planAlertSettings(
  { settings, sealed }: Known,
  typed: Partial<AlertSettingsInput>,
  { isPrivateAllowed }: { isPrivateAllowed: boolean },
): AlertSettingsPlan {
  const input: AlertSettingsInput = {
    lowBalanceNanoUsd: BigInt(settings.lowBalanceNanoUsd),
    webhookUrl: settings.alertWebhookUrl,
    webhookSecret: null,
    smtpUrl: null,
    emailFrom: settings.alertEmailFrom,
    emailTo: settings.alertEmailTo,
    ...typed,
  };
  const [webhook, email] = checkAll(
    () => webhookOf(input, sealed, isPrivateAllowed),
    () => emailOf(input, sealed, isPrivateAllowed),
  );
  const next: SealedSettings = { alertWebhookSecret: webhook?.secret ?? null, smtpUrl: email?.smtpUrl ?? null };
  return {
    settings: {
      lowBalanceNanoUsd: String(input.lowBalanceNanoUsd),
      alertWebhookUrl: webhook?.url ?? "",
      alertEmailFrom: email?.from ?? "",
      alertEmailTo: email?.to ?? "",
    },
    sealed: next,
    isWebhookSecretChanged: next.alertWebhookSecret !== sealed.alertWebhookSecret,
    isSmtpUrlChanged: next.smtpUrl !== sealed.smtpUrl,
  };
}

/** A secret that stays is not written anew. */
export async function writeAlertSettings(client: Queryable, secrets: Secrets, plan: AlertSettingsPlan): Promise<void> {
  await writeSettings(client, plan.settings);
  if (plan.isWebhookSecretChanged) {
    await writeSealedSetting(client, secrets, "alertWebhookSecret", plan.sealed.alertWebhookSecret);
  }
  if (plan.isSmtpUrlChanged) await writeSealedSetting(client, secrets, "smtpUrl", plan.sealed.smtpUrl);
}

/** The path of a webhook's address is a secret with many services: the log names its host. */
export const auditableAlerts = (settings: Pick<Settings, AlertSettingName>) => ({
  lowBalanceNanoUsd: settings.lowBalanceNanoUsd,
  alertWebhookHost: settings.alertWebhookUrl === "" ? "" : new URL(settings.alertWebhookUrl).host,
  alertEmailFrom: settings.alertEmailFrom,
  alertEmailTo: settings.alertEmailTo,
});

/** `fault` null: it was taken. */
export async function recordAlertTest(
  db: Pick<Database, "pool">,
  { channel, fault, actor }: { channel: AlertChannel; fault: string | null; actor: Actor },
): Promise<void> {
  const details = { channel, isGood: fault === null, ...(fault === null ? {} : { fault }) };
  await recordEvent(db, actor, { action: "test_alert", targetKind: "system", targetId: null, details });
}

function webhookOf(input: AlertSettingsInput, sealed: SealedSettings, isPrivateAllowed: boolean): WebhookTarget | null {
  if (input.webhookUrl === "") return null;
  const [url, secret] = checkAll(
    () => checkedWebhookUrl(input.webhookUrl, isPrivateAllowed),
    () => checkedWebhookSecret(input.webhookSecret ?? sealed.alertWebhookSecret ?? ""),
  );
  return { url, secret, isPrivateAllowed };
}

function checkedWebhookUrl(text: string, isPrivateAllowed: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new AppError("invalid_input", "Enter an address such as https://example.com/alerts.", "webhookUrl");
  }
  requireAllowedAddress(url, { isPrivateAllowed, field: "webhookUrl" });
  return url.href;
}

function checkedWebhookSecret(secret: string): string {
  if (secret.length >= minSecretLength) return secret;
  throw new AppError("invalid_input", "Enter a secret of at least 16 characters.", "webhookSecret");
}

function emailOf(input: AlertSettingsInput, sealed: SealedSettings, isPrivateAllowed: boolean): EmailTarget | null {
  if (input.emailTo === "") return null;
  const [to, from, smtpUrl] = checkAll(
    () => input.emailTo.split(",").map((address) => checkedEmail(address, "emailTo")),
    () => checkedEmail(input.emailFrom, "emailFrom"),
    () => checkedSmtpUrl(input.smtpUrl ?? sealed.smtpUrl ?? "", isPrivateAllowed),
  );
  return { smtpUrl, isTlsRequired: isTlsRequired(smtpUrl), isPrivateAllowed, from, to: to.join(", ") };
}

function checkedSmtpUrl(smtpUrl: string, isPrivateAllowed: boolean): string {
  const url = URL.canParse(smtpUrl) ? new URL(smtpUrl) : null;
  // A query would set options of the client that are no address.
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === "" || url.search || url.hash || !isDecodable(url)) {
    throw new AppError("invalid_input", "Enter an address such as smtps://user:password@mail.example.com.", "smtpUrl");
  }
  if (!isPrivateAllowed && isPrivateHost(url.hostname)) {
    throw new AppError("invalid_input", "The mail server must be public; a setting allows private ones.", "smtpUrl");
  }
  return smtpUrl;
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
