/** Mails an alert. A public mail server is spoken to over TLS alone. */
import { isPublicAddress, type Alert, type EmailTarget } from "@codex-gateway/domain";
import { createTransport } from "nodemailer";
import { textOf } from "./alert-text.ts";
import { connectTo } from "./outbound-socket.ts";

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

function optionsOf({ smtpUrl, isTlsRequired, isPrivateAllowed }: EmailTarget) {
  const url = new URL(smtpUrl);
  const isTlsFromStart = url.protocol === "smtps:";
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port) || (isTlsFromStart ? 465 : 587);
  return {
    host,
    port,
    /** In the place of the client's own connecting. */
    getSocket: (_options: unknown, done: (error: Error | null, socket?: object) => void) => {
      connectTo({ host, port, isPrivateAllowed }, AbortSignal.timeout(stepMs)).then(
        (connection) => {
          // A name that looks private may lead to a public address: no password goes there in clear.
          const isPublic = isPublicAddress(connection.remoteAddress ?? "");
          const requireTLS = isTlsRequired || isPublic;
          done(null, { connection, requireTLS, tls: { rejectUnauthorized: requireTLS } });
        },
        (error: unknown) => done(error as Error),
      );
    },
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
  PRIVATE_ADDRESS: "The mail server must be public; a setting allows private ones.",
  ENOTFOUND: "The mail server's host was not found.",
  EAI_AGAIN: "The mail server's host was not found.",
  EDNS: "The mail server's host was not found.",
  ETIMEDOUT: "The mail server did not answer in time.",
  ETLS: "The mail server offers no valid encryption.",
  ECONNECTION: "The mail server cannot be reached.",
};

/** What the other end says is not shown: whatever listens there would be read through it. Its code is enough. */
function faultOf(error: unknown): string {
  const { name, code = "", responseCode, message } = error as Error & { code?: string; responseCode?: number };
  if (code === "ESOCKET" && /certificate|self[- ]signed|TLS|SSL/i.test(message)) return sentences.ETLS ?? "";
  const known = sentences[name === "TimeoutError" || name === "AbortError" ? "ETIMEDOUT" : code];
  if (known) return known;
  return responseCode
    ? `The mail server refuses the message with code ${responseCode}.`
    : (sentences.ECONNECTION ?? "");
}
