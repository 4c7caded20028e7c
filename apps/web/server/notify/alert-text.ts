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
    case "debt": {
      const { users } = alert.facts;
      const who = users.length === 1 ? (users[0]?.email ?? "") : null;
      return {
        title: {
          zh: `欠款：${who ?? `${users.length} 个用户`} 的用量超出余额`,
          en: `Debt: ${who ?? `${users.length} users`} used more than the balance`,
        },
        lines: users.map(({ email, debtUsd }) => `${email}  ${dollars(debtUsd)}`),
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
            : reason === "quota_used_up"
              ? { zh: `上游“${name}”的账户额度已用尽`, en: `The account with upstream ${name} is used up` }
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
        lines: alert.facts.breaches.flatMap(({ invariant, says, breaches, notes = [] }) => [
          `${invariant}  ${breaches}  ${says}`,
          ...notes,
        ]),
      };
    case "ledger_sound":
      return { title: { zh: "账目校验恢复正常", en: "The books add up again" }, lines: [] };
    case "books_head": {
      const { before, accounts, chains, audit, prices } = alert.facts;
      return {
        title: { zh: `账目快照：${before}`, en: `Head of the books: ${before}` },
        lines: [`${accounts} accounts  ${chains}`, `audit log  ${audit?.hash ?? ""}`, `prices  ${prices}`],
      };
    }
    case "unpriced_models": {
      const { models } = alert.facts;
      const which = models.length === 1 ? (models[0]?.model ?? "") : null;
      return {
        title: {
          zh: `新模型尚未定价：${which ?? `${models.length} 个`}`,
          en: `New model without a price: ${which ?? `${models.length} models`}`,
        },
        lines: models.map(({ model, requests }) => `${model}  ${requests}`),
      };
    }
    case "unknown_service_tiers":
      return {
        title: {
          zh: "上游按未定价的服务等级处理了请求，已按普通价格计费",
          en: "Requests were served in a service tier without a price, and charged at the plain one",
        },
        lines: alert.facts.tiers.map(({ model, serviceTier, requests }) => `${model}  ${serviceTier}  ${requests}`),
      };
    case "settlements_set_aside": {
      const { count, open, requestIds } = alert.facts;
      return {
        title: {
          zh: `${count} 笔结算无法按原样入账，已另存${open > 0 ? `，其中 ${open} 笔冻结仍待处理` : ""}`,
          en: `${count} settlements could not be entered as they were, and were set aside${open > 0 ? `; ${open} holds still stand` : ""}`,
        },
        lines: requestIds,
      };
    }
    case "log_unwritable": {
      const { instanceId, reason } = alert.facts;
      return {
        title: { zh: "结算日志无法写入磁盘", en: "The log of settlements cannot be written" },
        lines: [`${instanceId}  ${reason}`],
      };
    }
    case "log_writable":
      return {
        title: { zh: "结算日志恢复写入", en: "The log of settlements can be written again" },
        lines: [alert.facts.instanceId],
      };
    case "process_fault": {
      const { name, code, place, faults } = alert.facts;
      return {
        title: {
          zh: `网关内部错误：${faults} 次，服务继续运行`,
          en: `Internal errors: ${faults}; the gateway goes on`,
        },
        lines: [[name, code, place].filter((part) => part !== null).join("  ")],
      };
    }
    case "process_restarted": {
      const { isRestarted } = alert.facts;
      const title = isRestarted
        ? { zh: "网关异常退出，已重新启动", en: "The gateway died and was started again" }
        : { zh: "一个网关进程异常退出", en: "A process of the gateway died" };
      return { title, lines: [deathText(alert.facts)].filter((line) => line !== "") };
    }
    case "disk_low": {
      const { folder, freeMegabytes, usedMegabytes } = alert.facts;
      return {
        title: {
          zh: `磁盘空间不足：只剩 ${freeMegabytes} MB`,
          en: `The disk is nearly full: ${freeMegabytes} MB left`,
        },
        lines: [folder, ...Object.entries(usedMegabytes).map(([name, megabytes]) => `${name}  ${megabytes} MB`)],
      };
    }
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

function deathText({ exitCode, signal }: { exitCode: number | null; signal: string | null }): string {
  if (signal !== null) return signal;
  return exitCode === null ? "" : `exit code ${exitCode}`;
}

export function textOf(alert: Alert): { title: string; text: string } {
  const { title, lines } = wordsOf(alert);
  return { title: `${title.zh} · ${title.en}`, text: [title.zh, title.en, ...lines].join("\n") };
}
