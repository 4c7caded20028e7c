/** Settings and the first upstream as one form shows them. */
import type { Database } from "@codex-gateway/db";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import type { Secrets } from "../access/secrets.ts";
import { usdOf } from "../ledger/money.ts";
import { listUpstreams, saveUpstream } from "../upstreams/upstreams.ts";
import { readSettings, writeSettings, type AlertSettingName, type Settings } from "./settings.ts";

/** All but those of alerts, which have a form of their own. */
type GeneralSettings = Omit<Settings, AlertSettingName>;

export type AdminSettings = Omit<GeneralSettings, "defaultBalanceNanoUsd" | "minimumTopUpNanoUsd"> & {
  defaultBalanceUsd: string;
  minimumTopUpUsd: string;
  upstream: { baseUrl: string; keyLastFour: string } | null;
};

export async function readAdminSettings(db: Database): Promise<AdminSettings> {
  const { defaultBalanceNanoUsd, minimumTopUpNanoUsd, ...settings } = withoutAlerts(await readSettings(db));
  const [upstream] = await listUpstreams(db);
  return {
    ...settings,
    defaultBalanceUsd: usdOf(BigInt(defaultBalanceNanoUsd)),
    minimumTopUpUsd: usdOf(BigInt(minimumTopUpNanoUsd)),
    upstream: upstream ? { baseUrl: upstream.baseUrl, keyLastFour: upstream.keyLastFour } : null,
  };
}

function withoutAlerts(settings: Settings): GeneralSettings {
  const {
    lowBalanceNanoUsd: _low,
    alertWebhookUrl: _url,
    alertEmailFrom: _from,
    alertEmailTo: _to,
    ...rest
  } = settings;
  return rest;
}

/** All or nothing. @throws AppError `invalid_input` where the upstream's address is not allowed */
export async function saveAdminSettings(
  db: Database,
  secrets: Secrets,
  input: { settings: GeneralSettings; upstream: { baseUrl: string; apiKey: string | null }; actor: Actor },
): Promise<void> {
  await inTransaction(db, async (client) => {
    const before = withoutAlerts(await readSettings({ pool: client }));
    await writeSettings(client, input.settings);
    await saveUpstream(client, secrets, input.upstream);
    await appendAudit(client, input.actor, {
      action: "update_settings",
      targetKind: "system",
      targetId: null,
      details: {
        before,
        after: input.settings,
        baseUrl: input.upstream.baseUrl,
        isKeyChanged: input.upstream.apiKey !== null,
      },
    });
  });
}
