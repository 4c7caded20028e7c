/** Furnishes a new installation through its own procedures, as people would: an owner, and a user with money and a key. */
import { randomUUID } from "node:crypto";
import { createPerson, type Person } from "./person.ts";

export const owner = { email: "owner@example.com", password: "demo-owner-password" };
export const user = { email: "user@example.com", password: "demo-user-password" };

export type Furnished = { apiKey: string; ownerSession: Person; userSession: Person; userId: string };

/** `upstreamUrl` becomes the first upstream; the user gets `balanceUsd`, 5 unless said otherwise. */
export async function furnish(
  { web, setupToken }: { web: string; setupToken: string | null },
  { upstreamUrl, balanceUsd = "5" }: { upstreamUrl: string; balanceUsd?: string },
): Promise<Furnished> {
  const ownerSession = createPerson(web);
  await ownerSession.api.setup.complete.mutate({
    token: setupToken ?? "",
    owner,
    upstream: { baseUrl: upstreamUrl, apiKey: "sk-fake-upstream-key", isPrivateAllowed: true },
    announcement: "",
    defaultBalanceUsd: "0",
    isRegistrationOpen: true,
  });
  const userSession = createPerson(web);
  await userSession.api.auth.register.mutate(user);
  const me = await userSession.api.auth.me.query();
  const userId = me?.id ?? "";
  await ownerSession.api.admin.users.adjustBalance.mutate({
    userId,
    amountUsd: balanceUsd,
    isPaid: true,
    note: "demo",
    formId: randomUUID(),
  });
  const { secret } = await userSession.api.keys.create.mutate({ name: "demo" });
  return { apiKey: secret, ownerSession, userSession, userId };
}
