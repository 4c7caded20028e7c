/** Sends an alert on the channels that are given. */
import { randomUUID } from "node:crypto";
import type { Alert, AlertTargets } from "@codex-gateway/domain";
import { sendEmail } from "./send-email.ts";
import { sendWebhook } from "./send-webhook.ts";

/** Null where all went well, or nothing was to be done; else why not, in one sentence. */
export type SendAlert = (targets: AlertTargets, alert: Alert) => Promise<string | null>;

/** `gatewayUrl` tells several gateways apart; null where it is not known. */
export const createAlertSender =
  (gatewayUrl: string | null): SendAlert =>
  async ({ webhook, email }, alert) => {
    const fault = webhook && (await sendWebhook(webhook, alert, gatewayUrl));
    return fault ?? (email && (await sendEmail(email, alert, gatewayUrl)));
  };

export const aTestAlert = (): Alert => ({ id: randomUUID(), kind: "test", facts: {}, createdAt: new Date() });
