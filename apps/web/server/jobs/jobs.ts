/** Lists what one process does beside its requests. A job more is a file here, and a line in this list. */
import { forgetExpiredAnswers } from "@codex-gateway/domain";
import { alertJobs } from "./alert-jobs.ts";
import { deathWatch } from "./death-watch.ts";
import { diskWatch } from "./disk-watch.ts";
import { heartbeat } from "./heartbeat.ts";
import type { JobServices } from "./job-services.ts";
import { reap } from "./reap.ts";
import { restoreLostInstances } from "./restore-lost-instances.ts";
import type { Job } from "./schedule.ts";
import { overdue } from "./settle-overdue.ts";

export const jobsOf = (services: JobServices): Job[] => [
  heartbeat(services),
  deathWatch(services),
  reap(services),
  overdue(services),
  restoreLostInstances(services),
  diskWatch(services),
  { name: "spool", everyMs: 1_000, run: () => services.spool.replay() },
  // Word of a change may be lost.
  { name: "refresh", everyMs: 30_000, run: () => services.refresh(null) },
  { name: "last_used", everyMs: 5_000, run: () => services.keys.flushLastUsed() },
  { name: "forget", everyMs: 60_000, run: () => forgetExpiredAnswers(services.db) },
  ...alertJobs(services),
];
