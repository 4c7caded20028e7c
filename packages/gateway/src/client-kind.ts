/** Clients that understand a refusal by another status, or another word, than the official SDKs do (docs/api.md). */
import type { GatewayCall } from "./call.ts";

export type ClientKind = "codex" | "opencode" | "other";

export function clientKind({ originator, "user-agent": userAgent }: GatewayCall["headers"]): ClientKind {
  if (typeof originator === "string" && originator.startsWith("codex")) return "codex";
  return typeof userAgent === "string" && /(?:^|\s)opencode\//i.test(userAgent) ? "opencode" : "other";
}
