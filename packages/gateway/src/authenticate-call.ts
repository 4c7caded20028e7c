/** Finds out whose call it is, by the key that came with it. */
import type { GatewayCall } from "./call.ts";
import type { Caller, Ports, Refusal } from "./ports.ts";

const bearer = /^Bearer +(\S+)$/i;

/** `endpoint` is the name of what is asked for; null: a read, which every key may ask. */
export function authenticateCall(
  ports: Pick<Ports, "authenticate">,
  { headers, remoteAddress }: GatewayCall,
  endpoint: string | null,
): Promise<Caller | Refusal> | Caller | Refusal {
  const { authorization } = headers;
  const secret = typeof authorization === "string" ? bearer.exec(authorization)?.[1] : undefined;
  if (!secret) {
    const message = "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY.";
    return { refused: "invalid_api_key", message };
  }
  return ports.authenticate({ secret, endpoint, remoteAddress });
}
