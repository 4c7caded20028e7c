/** What key holders may read at /v1: the models that they may use, their credits and their charges. */
import type { Database } from "@codex-gateway/db";
import {
  findCharge,
  type KeyStatus,
  listCharges,
  type LoadedPrices,
  mayUseModel,
  readCredits,
  readKeyStatus,
} from "@codex-gateway/domain";
import type { Ports } from "@codex-gateway/gateway";
import { toBillingSubscription, toBillingUsage, toOpenRouterKey, toSub2apiUsage } from "./status-lines.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const uuidOrNull = (text: string | null) => (text !== null && uuid.test(text) ? text : null);

/** `caughtUp` resolves when what this process has answered so far is in the books. */
export async function answerRead(
  db: Database,
  { prices, caughtUp }: { prices: LoadedPrices; caughtUp: () => Promise<void> },
  { name, caller, id, search }: Parameters<Ports["answerRead"]>[0],
): ReturnType<Ports["answerRead"]> {
  const { accountId } = caller;
  const status = async (toShape: (of: KeyStatus) => object) => {
    await caughtUp();
    return { answer: toShape(await readKeyStatus(db, caller.apiKeyId)) };
  };
  const models = () => prices.models.filter((model) => mayUseModel(caller, model.id));
  switch (name) {
    case "models":
      return { answer: { object: "list", data: models().map(toModel) } };
    case "model": {
      const model = models().find((each) => each.id === id);
      return model ? { answer: toModel(model) } : { refused: "model_not_found", param: "model" };
    }
    case "credits":
      await caughtUp();
      return { answer: await readCredits(db, accountId) };
    case "key":
      return status(toOpenRouterKey);
    case "usage":
      return status(toSub2apiUsage);
    case "billing_subscription":
      return status(toBillingSubscription);
    case "billing_usage":
      return status(toBillingUsage);
    case "charges": {
      await caughtUp();
      const limit = Math.min(Math.max(Math.trunc(Number(search.get("limit") ?? 20)) || 20, 1), 100);
      const { charges, hasMore } = await listCharges(db, { accountId, limit, after: uuidOrNull(search.get("after")) });
      return { answer: { object: "list", data: charges, has_more: hasMore } };
    }
    case "charge": {
      await caughtUp();
      const requestId = uuidOrNull(id);
      const charge = requestId && (await findCharge(db, { accountId, requestId }));
      return charge ? { answer: charge } : { refused: "charge_not_found" };
    }
  }
}

/** The shape of https://developers.openai.com/api/reference/resources/models. */
const toModel = ({ id, createdAt, shutdownDay }: LoadedPrices["models"][number]) => ({
  id,
  object: "model",
  created: Math.floor(createdAt.getTime() / 1_000),
  owned_by: "openai",
  shutdown_date: shutdownDay,
});
