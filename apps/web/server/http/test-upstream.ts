/** Asks an upstream for its models, on the way that calls take: whether address and key work, before they are saved. */
import type { UpstreamFault } from "@codex-gateway/api";
import type { Gateway } from "@codex-gateway/gateway";

export type TestedUpstream = { baseUrl: string; apiKey: string; isPrivateAllowed: boolean };

/** Null where it answered as OpenAI does. */
export async function testUpstream(
  { probe }: Pick<Gateway, "probe">,
  { baseUrl, apiKey, isPrivateAllowed }: TestedUpstream,
): Promise<UpstreamFault | null> {
  const answer = await probe({ baseUrl, apiKey }, { allowsPrivateAddresses: isPrivateAllowed });
  if ("error" in answer) return ofAddress(faults[answer.error.code ?? ""] ?? "The upstream cannot be reached.");
  const { status } = answer;
  if (status === 401 || status === 403) return { message: "The upstream refuses this key.", field: "apiKey" };
  return status >= 200 && status <= 299 ? null : ofAddress(`The upstream answered with status ${status}.`);
}

const ofAddress = (message: string): UpstreamFault => ({ message, field: "baseUrl" });

const faults: Readonly<Record<string, string | undefined>> = {
  ENOTFOUND: "The upstream's host was not found.",
  EAI_AGAIN: "The upstream's host was not found.",
  PRIVATE_ADDRESS: "The address must be public and start with https; a setting allows private ones.",
  UND_ERR_CONNECT_TIMEOUT: "The upstream did not answer in time.",
  UND_ERR_HEADERS_TIMEOUT: "The upstream did not answer in time.",
  UND_ERR_BODY_TIMEOUT: "The upstream did not answer in time.",
};
