/**
 * Posts an alert as JSON, signed so that the receiver can tell that it is the gateway's and fresh: HMAC-SHA-256 over
 * `<timestamp>.<body>` with the webhook's secret, hexadecimal, in x-codex-gateway-signature after `v1=`.
 */
import { createHmac } from "node:crypto";
import { request } from "node:http";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Alert, WebhookTarget } from "@codex-gateway/domain";
import { textOf } from "./alert-text.ts";
import { connectTo } from "./outbound-socket.ts";

const timeoutMs = 10_000;
const msPerSecond = 1_000;

/** Null where it was taken; else why not, in one sentence. */
export async function sendWebhook(
  { url, secret, isPrivateAllowed }: WebhookTarget,
  alert: Alert,
  gatewayUrl: string | null,
): Promise<string | null> {
  const { id, kind, facts, createdAt } = alert;
  const body = JSON.stringify({ id, kind, createdAt, gatewayUrl, facts, text: textOf(alert).text });
  const timestamp = String(Math.floor(Date.now() / msPerSecond));
  const signature = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  const headers = {
    "content-type": "application/json",
    "user-agent": "codex-gateway",
    "x-codex-gateway-timestamp": timestamp,
    "x-codex-gateway-signature": `v1=${signature}`,
  };
  try {
    const status = await post(new URL(url), { headers, body, isPrivateAllowed });
    if (status >= 200 && status < 300) return null;
    const isRedirect = status >= 300 && status < 400;
    return isRedirect
      ? "The webhook answered with a redirect, which is not followed."
      : `The webhook answered with status ${status}.`;
  } catch (error) {
    return faultOf(error);
  }
}

type Post = { headers: Record<string, string>; body: string; isPrivateAllowed: boolean };

/** Answers with the status. Nothing of the answer's body is read, and no redirect followed. */
async function post(url: URL, { headers, body, isPrivateAllowed }: Post): Promise<number> {
  if (url.protocol !== "https:" && !isPrivateAllowed) throw Object.assign(new Error(), { code: "PRIVATE_ADDRESS" });
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = await open(url, isPrivateAllowed, signal);
  try {
    return await new Promise((resolve, reject) => {
      const sent = request({
        createConnection: () => socket,
        method: "POST",
        path: url.pathname + url.search,
        headers: { ...headers, host: url.host, "content-length": String(Buffer.byteLength(body)), connection: "close" },
        signal,
      });
      sent.once("response", ({ statusCode = 0 }) => resolve(statusCode));
      sent.on("error", reject);
      sent.end(body);
    });
  } finally {
    socket.destroy();
  }
}

async function open(url: URL, isPrivateAllowed: boolean, signal: AbortSignal): Promise<Socket> {
  const isTls = url.protocol === "https:";
  const port = Number(url.port) || (isTls ? 443 : 80);
  const plain = await connectTo({ host: url.hostname, port, isPrivateAllowed }, signal);
  if (!isTls) return plain;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve, reject) => {
    // The name that the certificate must be for. Its own socket ends with it.
    const secure = connectTls({ socket: plain, host, servername: /^[\d.]+$|:/.test(host) ? "" : host });
    const fail = (error: Error) => {
      plain.destroy();
      reject(error);
    };
    signal.addEventListener("abort", () => fail(signal.reason as Error), { once: true });
    secure.on("error", fail);
    secure.once("secureConnect", () => resolve(secure));
  });
}

const sentences: Readonly<Record<string, string>> = {
  PRIVATE_ADDRESS: "The address must be public and start with https; a setting allows private ones.",
  ENOTFOUND: "The webhook's host was not found.",
  EAI_AGAIN: "The webhook's host was not found.",
};

function faultOf(error: unknown): string {
  const { name, code = "", cause } = error as Error & { code?: string; cause?: { name?: string } };
  const known = sentences[code];
  if (known !== undefined) return known;
  if (name === "TimeoutError" || cause?.name === "TimeoutError") return "The webhook did not answer in time.";
  return /CERT|TLS|SSL|EPROTO/.test(code)
    ? "The webhook offers no valid encryption."
    : "The webhook cannot be reached.";
}
