/** Settings and the first upstream as one form shows them. */
import { isDeepStrictEqual } from "node:util";
import { type Database, lockInTransaction } from "@codex-gateway/db";
import { usdOf } from "@codex-gateway/ledger";
import type { Secrets } from "../security/secrets.ts";
import {
  auditableAlerts,
  planAlertSettings,
  writeAlertSettings,
  type AlertSettingsInput,
} from "../alerts/alert-settings.ts";
import { checkAll } from "../app-error.ts";
import { recordAct, type Actor } from "../audit/audit.ts";
import {
  checkedBaseUrl,
  listUpstreams,
  readFirstUpstream,
  requireKeyOfFirst,
  saveUpstream,
} from "../upstreams/upstreams.ts";
import { readSealedSettings } from "./sealed-settings.ts";
import { readSettings, writeSettings, type AlertSettingName, type Settings } from "./settings.ts";

/** All but those of alerts, some of which are sealed. */
type GeneralSettings = Omit<Settings, AlertSettingName>;

type AmountName = "defaultBalanceNanoUsd" | "minimumTopUpNanoUsd" | "maxCallDebtNanoUsd" | "maxUserDebtNanoUsd";

export type AdminSettings = Omit<GeneralSettings, AmountName> & {
  defaultBalanceUsd: string;
  minimumTopUpUsd: string;
  maxCallDebtUsd: string;
  maxUserDebtUsd: string;
  upstream: { baseUrl: string; keyLastFour: string } | null;
};

export async function readAdminSettings(db: Database): Promise<AdminSettings> {
  const { defaultBalanceNanoUsd, minimumTopUpNanoUsd, maxCallDebtNanoUsd, maxUserDebtNanoUsd, ...settings } =
    withoutAlerts(await readSettings(db));
  const [upstream] = await listUpstreams(db);
  return {
    ...settings,
    defaultBalanceUsd: usdOf(BigInt(defaultBalanceNanoUsd)),
    minimumTopUpUsd: usdOf(BigInt(minimumTopUpNanoUsd)),
    maxCallDebtUsd: usdOf(BigInt(maxCallDebtNanoUsd)),
    maxUserDebtUsd: usdOf(BigInt(maxUserDebtNanoUsd)),
    upstream: upstream ? { baseUrl: upstream.baseUrl, keyLastFour: upstream.keyLastFour } : null,
  };
}

export function withoutAlerts(settings: Settings): GeneralSettings {
  const {
    lowBalanceNanoUsd: _low,
    alertWebhookUrl: _url,
    alertEmailFrom: _from,
    alertEmailTo: _to,
    ...rest
  } = settings;
  return rest;
}

type SettingsInput = {
  settings: GeneralSettings;
  upstream: { baseUrl: string; apiKey: string | null };
  /** What is left out stays as it is. */
  alerts: Partial<AlertSettingsInput>;
  actor: Actor;
};

/**
 * Saves settings, first upstream and alerts: all or nothing, as one act. All inputs are checked before the first is
 * written, against the settings that are to count from now on. What is as it was before leaves no line in the log.
 * @throws AppError `invalid_input` that names every input that is wrong
 */
export async function saveAdminSettings(db: Database, secrets: Secrets, input: SettingsInput): Promise<void> {
  const isPrivateAllowed = input.settings.allowsPrivateUpstreams;
  await recordAct(db, input.actor, async (client) => {
    await lockInTransaction(client, "settings");
    const known = {
      settings: await readSettings({ pool: client }),
      sealed: await readSealedSettings({ pool: client }, secrets),
    };
    const upstream = await readFirstUpstream(client);
    const [baseUrl, , alerts] = checkAll(
      () => checkedBaseUrl(input.upstream.baseUrl, isPrivateAllowed),
      () => requireKeyOfFirst(upstream, input.upstream.apiKey),
      () => planAlertSettings(known, input.alerts, { isPrivateAllowed }),
    );
    const keyLastFour = input.upstream.apiKey?.slice(-4) ?? upstream?.keyLastFour ?? "";
    const before = {
      ...withoutAlerts(known.settings),
      ...auditableAlerts(known.settings),
      baseUrl: upstream?.baseUrl ?? "",
      keyLastFour: upstream?.keyLastFour ?? "",
    };
    const after = { ...input.settings, ...auditableAlerts(alerts.settings), baseUrl, keyLastFour };
    const details = {
      isKeyChanged: input.upstream.apiKey !== null,
      // Its host alone is told, whereas all of it counts.
      isWebhookUrlChanged: known.settings.alertWebhookUrl !== alerts.settings.alertWebhookUrl,
      isWebhookSecretChanged: alerts.isWebhookSecretChanged,
      isSmtpUrlChanged: alerts.isSmtpUrlChanged,
    };
    if (isDeepStrictEqual(before, after) && !Object.values(details).includes(true)) {
      return { act: null, result: undefined };
    }
    await writeSettings(client, input.settings);
    await saveUpstream(client, secrets, { baseUrl, apiKey: input.upstream.apiKey });
    await writeAlertSettings(client, secrets, alerts);
    return {
      act: { action: "update_settings", targetKind: "system", targetId: null, before, after, details },
      result: undefined,
    };
  });
}
