/**
 * Mails the link for a new password, in both languages: whoever asks for it is not signed in. The address in it is never
 * the one that the asking request named: it goes to somebody else, who would be led wherever that says.
 */
import { randomUUID } from "node:crypto";
import type { Database } from "@codex-gateway/db";
import { openEmailTarget, readSettings, type Secrets } from "@codex-gateway/domain";
import type { Log } from "@codex-gateway/gateway";
import type { PublicAddress } from "../http/public-address.ts";
import { sendMessage } from "./send-email.ts";

type Parts = { db: Database; secrets: Secrets; log: Log; publicAddress: PublicAddress };
type Mail = { email: string; token: string };

/** At a time: whoever asks for many must not open as many connections to the mail server. */
const maxUnderWay = 4;

/** Returns at once; what cannot be sent is logged, and asked for again. */
export function createResetMailer(parts: Parts): (mail: Mail) => void {
  const { log } = parts;
  let underWay = 0;
  return (mail) => {
    if (underWay >= maxUnderWay) {
      log("warn", "reset_mail_dropped", { reason: "too many at once" });
      return;
    }
    underWay++;
    mailLink(parts, mail)
      .then((fault) => {
        if (fault !== null) log("warn", "reset_mail_failed", { fault });
      })
      .catch((error: unknown) => log("error", "reset_mail_failed", { error: (error as Error).message }))
      .finally(() => {
        underWay--;
      });
  };
}

async function mailLink({ db, secrets, publicAddress }: Parts, { email, token }: Mail): Promise<string | null> {
  const target = await openEmailTarget(db, secrets);
  if (!target) return "No mail server is set.";
  const link = `${publicAddress.linkUrl(null, (await readSettings(db)).publicUrl)}/reset/${token}`;
  return sendMessage(
    { ...target, to: email },
    {
      id: randomUUID(),
      subject: "重设密码 / Reset your password",
      text: [
        "您（或他人）申请重设 Codex Gateway 的密码。30 分钟内打开以下链接设置新密码；若非本人操作，请忽略此邮件。",
        "",
        "Somebody, probably you, asked to reset the password of your Codex Gateway account. Open this link within 30 minutes to choose a new one. If it was not you, ignore this mail.",
        "",
        link,
      ].join("\n"),
    },
  );
}
