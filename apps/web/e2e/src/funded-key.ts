/** Sets a new gateway up by its token, and gives its owner $1000 and a key. */
import { randomUUID } from "node:crypto";
import { createPerson, type GatewayProcess } from "@codex-gateway/demo";

export async function aFundedKey(
  gateway: Pick<GatewayProcess, "web" | "setupToken">,
  upstreamUrl: string,
): Promise<string> {
  const owner = createPerson(gateway.web);
  await owner.api.setup.complete.mutate({
    token: gateway.setupToken ?? "",
    owner: { email: "owner@example.com", password: "password-of-owner" },
    upstream: { baseUrl: upstreamUrl, apiKey: "sk-upstream-key", isPrivateAllowed: true },
    announcement: "",
    defaultBalanceUsd: "0",
    isRegistrationOpen: false,
  });
  const userId = (await owner.api.auth.me.query())?.id ?? "";
  const formId = randomUUID();
  await owner.api.admin.users.adjustBalance.mutate({ userId, amountUsd: "1000", isPaid: true, note: "", formId });
  return (await owner.api.keys.create.mutate({ name: "load" })).secret;
}
