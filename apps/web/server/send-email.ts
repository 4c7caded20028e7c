/** Mails an alert. A public mail server is spoken to over TLS alone. */
import type { Alert, EmailTarget } from "@codex-gateway/domain";
import { createTransport } from "nodemailer";
import { textOf } from "./alert-text.ts";

const stepMs = 8_000;
/** Of all steps together. */
const timeoutMs = 20_000;

/** Null where the mail server has taken it; else why not, in one sentence. */
export async function sendEmail(target: EmailTarget, alert: Alert, gatewayUrl: string | null): Promise<string | null> {
  const transport = createTransport(optionsOf(target));
  const { title, text } = textOf(alert);
  const message = {
    from: target.from,
    to: target.to,
    subject: `[Codex Gateway] ${title}`,
    text: gatewayUrl === null ? text : `${text}\n\n${gatewayUrl}`,
    // The same alert sent twice is one message to most mail programs.
    messageId: `<${alert.id}@${target.from.split("@")[1] ?? "codex-gateway"}>`,
    headers: { "Auto-Submitted": "auto-generated" },
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("too late"), { code: "ETIMEDOUT" })), timeoutMs);
  });
  try {
    await Promise.race([transport.sendMail(message), late]);
    return null;
  } catch (error) {
    return faultOf(error);
  } finally {
    clearTimeout(timer);
    transport.close();
  }
}

function optionsOf({ smtpUrl, isTlsRequired }: EmailTarget) {
  const url = new URL(smtpUrl);
  const isTlsFromStart = url.protocol === "smtps:";
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (isTlsFromStart ? 465 : 587),
    secure: isTlsFromStart,
    requireTLS: isTlsRequired,
    tls: { rejectUnauthorized: isTlsRequired },
    ...(user === "" ? {} : { auth: { user, pass } }),
    connectionTimeout: stepMs,
    greetingTimeout: stepMs,
    socketTimeout: stepMs,
    dnsTimeout: stepMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

const sentences: Readonly<Record<string, string>> = {
  EAUTH: "The mail server refuses the user name or the password.",
  ENOAUTH: "The mail server asks for a user name and a password.",
  EDNS: "The mail server's host was not found.",
  ETIMEDOUT: "The mail server did not answer in time.",
  ETLS: "The mail server offers no valid encryption.",
  ECONNECTION: "The mail server cannot be reached.",
};

/** What the server itself says of a message is shown: only it knows. It never repeats the password. */
function faultOf(error: unknown): string {
  const { code = "", response, message } = error as Error & { code?: string; response?: string };
  if (code === "ESOCKET" && /certificate|self[- ]signed|TLS|SSL/i.test(message)) return sentences.ETLS ?? "";
  const known = sentences[code];
  if (known) return known;
  return response ? `The mail server refuses the message: ${response.slice(0, 200)}` : (sentences.ECONNECTION ?? "");
}
