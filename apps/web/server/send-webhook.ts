/**
 * Posts an alert as JSON, signed so that the receiver can tell that it is the gateway's and fresh: HMAC-SHA-256 over
 * `<timestamp>.<body>` with the webhook's secret, hexadecimal, in x-codex-gateway-signature after `v1=`.
 */
import { createHmac } from "node:crypto";
import type { Alert, WebhookTarget } from "@codex-gateway/domain";
import { textOf } from "./alert-text.ts";

const timeoutMs = 10_000;
const msPerSecond = 1_000;

/** Null where it was taken; else why not, in one sentence. */
export async function sendWebhook(
  { url, secret }: WebhookTarget,
  alert: Alert,
  gatewayUrl: string | null,
): Promise<string | null> {
  const { id, kind, facts, createdAt } = alert;
  const body = JSON.stringify({ id, kind, createdAt, gatewayUrl, facts, text: textOf(alert).text });
  const timestamp = String(Math.floor(Date.now() / msPerSecond));
  const signature = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "codex-gateway",
        "x-codex-gateway-timestamp": timestamp,
        "x-codex-gateway-signature": `v1=${signature}`,
      },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    await response.body?.cancel();
    if (response.ok) return null;
    const isRedirect = response.status >= 300 && response.status < 400;
    return isRedirect
      ? "The webhook answered with a redirect, which is not followed."
      : `The webhook answered with status ${response.status}.`;
  } catch (error) {
    return faultOf(error);
  }
}

function faultOf(error: unknown): string {
  const { name, cause } = error as Error & { cause?: { code?: string } };
  const code = cause?.code ?? "";
  if (name === "TimeoutError") return "The webhook did not answer in time.";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "The webhook's host was not found.";
  return /CERT|TLS|SSL/.test(code) ? "The webhook offers no valid encryption." : "The webhook cannot be reached.";
}
