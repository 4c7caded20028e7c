/** Renews the lease by which others know that this process lives. */
import { heartbeatMs, renewLease } from "@codex-gateway/ledger";
import type { JobServices } from "./job-services.ts";
import type { Job } from "./schedule.ts";

export const heartbeat = ({ instance, leasePool, ledger, guard, log }: JobServices): Job => ({
  name: "heartbeat",
  everyMs: heartbeatMs,
  run: async () => {
    try {
      const { databaseNowMs, wasLost } = await renewLease({ pool: leasePool }, instance, ledger.oldestOpenHold());
      guard.renewed(databaseNowMs);
      if (wasLost) log("warn", "instance_was_lost", { instanceId: instance.id });
    } catch (error) {
      guard.failed();
      throw error;
    }
  },
});
