/** Settings and the first upstream as one form shows them. */
import type { Database } from "@codex-gateway/db";
import { appendAudit, inTransaction, type Actor } from "../audit/audit.ts";
import type { Secrets } from "../access/secrets.ts";
import { usdOf } from "../ledger/money.ts";
import { listUpstreams, saveUpstream } from "../upstreams/upstreams.ts";
import { readSettings, writeSettings, type Settings } from "./settings.ts";

export type AdminSettings = Omit<Settings, "defaultBalanceNanoUsd" | "minimumTopUpNanoUsd"> & {
  defaultBalanceUsd: string;
  minimumTopUpUsd: string;
  upstream: { baseUrl: string; keyLastFour: string } | null;
};

export async function readAdminSettings(db: Database): Promise<AdminSettings> {
  const { defaultBalanceNanoUsd, minimumTopUpNanoUsd, ...settings } = await readSettings(db);
  const [upstream] = await listUpstreams(db);
  return {
    ...settings,
    defaultBalanceUsd: usdOf(BigInt(defaultBalanceNanoUsd)),
    minimumTopUpUsd: usdOf(BigInt(minimumTopUpNanoUsd)),
    upstream: upstream ? { baseUrl: upstream.baseUrl, keyLastFour: upstream.keyLastFour } : null,
  };
}

/** All or nothing. @throws AppError `invalid_input` where the upstream's address is not allowed */
export async function saveAdminSettings(
  db: Database,
  secrets: Secrets,
  input: { settings: Settings; upstream: { baseUrl: string; apiKey: string | null }; actor: Actor },
): Promise<void> {
  await inTransaction(db, async (client) => {
    const before = await readSettings({ pool: client });
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
