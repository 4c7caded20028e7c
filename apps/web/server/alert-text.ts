/** Alerts in words, in both languages: nobody knows which one whoever runs the gateway reads. */
import type { Alert } from "@codex-gateway/domain";

type Words = { zh: string; en: string };

const dollars = (usd: string) => `$${usd.replace(/0{1,7}$/, "")}`;

/** A line that says it all, and lines of details. */
function wordsOf(alert: Alert): { title: Words; lines: string[] } {
  switch (alert.kind) {
    case "low_balance": {
      const { users, thresholdUsd } = alert.facts;
      const threshold = dollars(thresholdUsd);
      const who = users.length === 1 ? (users[0]?.email ?? "") : null;
      return {
        title: {
          zh: `余额不足：${who ?? `${users.length} 个用户`} 低于 ${threshold}`,
          en: `Low balance: ${who ?? `${users.length} users`} below ${threshold}`,
        },
        lines: users.map(({ email, balanceUsd }) => `${email}  ${dollars(balanceUsd)}`),
      };
    }
    case "upstream_down": {
      const { name, host, reason, status } = alert.facts;
      const said =
        status === null ? { zh: "没有响应", en: "no answer" } : { zh: `状态 ${status}`, en: `status ${status}` };
      return {
        title:
          reason === "key_refused"
            ? { zh: `上游“${name}”拒绝其密钥`, en: `Upstream ${name} refuses its key` }
            : { zh: `上游“${name}”不可用`, en: `Upstream ${name} is down` },
        lines: [`${host}  ${said.zh} · ${said.en}`],
      };
    }
    case "upstream_recovered": {
      const { name, host, downSeconds } = alert.facts;
      return {
        title: { zh: `上游“${name}”已恢复`, en: `Upstream ${name} is back` },
        lines: [`${host}  ${downSeconds} s`],
      };
    }
    case "ledger_unsound":
      return {
        title: { zh: "账目校验失败", en: "The books do not add up" },
        lines: alert.facts.breaches.map(({ invariant, says, breaches }) => `${invariant}  ${breaches}  ${says}`),
      };
    case "ledger_sound":
      return { title: { zh: "账目校验恢复正常", en: "The books add up again" }, lines: [] };
    case "password_guesses":
      return {
        title: { zh: "有人在尝试您的密码", en: "Somebody is trying passwords at your account" },
        lines: [
          `${alert.facts.email}  ${alert.facts.failures}`,
          "",
          "来自您未曾登录过的网络的登录已被放慢，即使密码正确也可能需要等待并重试；您用过的浏览器和网络不受影响。如果密码不是独有且足够长，请修改密码。",
          "Logins from networks that you have not used before are slowed down: even with the right password it may take a " +
            "while and several tries. Browsers and networks that you have used before are not affected. If your password " +
            "is short, or used elsewhere too, change it.",
        ],
      };
    case "test":
      return { title: { zh: "测试告警", en: "Test alert" }, lines: [] };
  }
}

export function textOf(alert: Alert): { title: string; text: string } {
  const { title, lines } = wordsOf(alert);
  return { title: `${title.zh} · ${title.en}`, text: [title.zh, title.en, ...lines].join("\n") };
}
