/** Settles for processes whose lease has run out. */
import { settleForTheDead } from "@codex-gateway/ledger";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

const everyMs = 2_000;

export function reap({ db, instance, ledger, spoolFolder, recall, guard, onUnread, log }: JobServices): Job {
  const failures = new Map<string, number>();
  const run = async () => {
    const { adopted, reaped, unread, errors } = await settleForTheDead(db, {
      ledger,
      spoolFolder,
      ownInstanceId: instance.id,
      recall,
      failures,
      mayReap: (databaseNowMs) => guard.mayReap(databaseNowMs),
    });
    if (adopted > 0) log("warn", "spool_adopted", { settlements: adopted });
    if (unread > 0) {
      onUnread(unread);
      log("error", "spool_lines_unread", { lines: unread });
    }
    if (reaped > 0) log("warn", "orphans_settled", { holds: reaped });
    const [first] = errors;
    if (first) log("error", "reap_incomplete", { failures: errors.length, error: (first as Error).message });
  };
  return { name: "reap", everyMs, run };
}
