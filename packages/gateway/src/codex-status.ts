/**
 * What Codex shows on `/status`: what the key may still spend as its credits, and its budgets as windows. It reads them from
 * headers of each answer; to read them costs no call any time, for they are asked for while the provider is.
 */
import type { GatewayAnswer } from "./call.ts";
import type { Caller, CallerStatus, Ports } from "./ports.ts";

export async function withStatus(
  { readStatus }: Pick<Ports, "readStatus">,
  caller: Caller,
  answer: () => Promise<GatewayAnswer>,
): Promise<GatewayAnswer> {
  // An answer without it is one all the same.
  const status = readStatus(caller).catch(() => null);
  const answered = await answer();
  const known = await status;
  if (known) Object.assign(answered.headers, statusHeaders(known));
  return answered;
}

export function statusHeaders({ leftUsd, hasLeft, windows }: CallerStatus): Record<string, string> {
  const headers: Record<string, string> = {
    "x-codex-credits-has-credits": String(hasLeft),
    "x-codex-credits-unlimited": "false",
    "x-codex-credits-balance": leftUsd,
  };
  windows.forEach(({ usedPercent, minutes, resetsAtMs }, at) => {
    const name = `x-codex-${windowNames[at] ?? "other"}`;
    headers[`${name}-used-percent`] = String(usedPercent);
    headers[`${name}-window-minutes`] = String(minutes);
    headers[`${name}-reset-at`] = String(Math.floor(resetsAtMs / 1_000));
  });
  return headers;
}

const windowNames = ["primary", "secondary"];
