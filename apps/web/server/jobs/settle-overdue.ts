/** Settles own holds that no call can have any more: its error was caught by nobody but the last guard. */
import { settleOverdue } from "@codex-gateway/ledger";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

export const overdue = ({ db, instance, ledger, recall, maxCallMs, log }: JobServices): Job => ({
  name: "overdue",
  everyMs: 60_000,
  run: async () => {
    const options = { instanceId: instance.id, overdueMs: maxCallMs() };
    const { settled, errors } = await settleOverdue(db, ledger, recall, options);
    if (settled > 0 || errors.length > 0) log("warn", "overdue_settled", { holds: settled, failures: errors.length });
  },
});
