/** Checks the books every hour, in one of all processes, slowly enough that no call waits for it; keeps their head once a day. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@codex-gateway/db";
import { noteLedgerVerdict, openPrice } from "@codex-gateway/domain";
import { checkBooksIfDue, readBooksCheck } from "@codex-gateway/ledger";
import type { Log } from "@codex-gateway/gateway";
import { keepHeadIfDue, tellHead, type HeadKeeping } from "./keep-head.ts";
import { readKeptHeads } from "./kept-heads.ts";
import type { Job } from "./schedule.ts";

export type VerifyJob = Job & {
  /** As the newest check of whichever process says; null: there was none yet. */
  areBooksSound(): boolean | null;
};

const everyMs = 60 * 60_000;
/** How often each process looks whether a check is due, and what the newest one says. The first look comes after the reaper's. */
const lookMs = 60_000;
/** Of the time, a tenth: a million charges take 25 s of work, and so about four minutes. */
const restFactor = 9;

export function createVerifyJob(db: Database, log: Log, keeping: HeadKeeping, times = { everyMs, lookMs }): VerifyJob {
  let areBooksSound: boolean | null = null;
  const readHeads = () => readKeptHeads(keeping.folder, keeping.secrets);

  async function keepHead(): Promise<void> {
    try {
      const outcome = await keepHeadIfDue(db, keeping);
      if (outcome === "kept") await tellHead(db, keeping);
      if (outcome === "kept" || outcome === "clock_set_back") log("info", "books_head", { outcome });
    } catch (error) {
      log("error", "head_not_kept", { error: (error as Error).message });
    }
  }

  async function look(signal: AbortSignal): Promise<void> {
    await keepHead();
    const rest = (tookMs: number) => sleep(tookMs * restFactor, undefined, { signal });
    const check = await checkBooksIfDue(db, { openPrice, everyMs: times.everyMs, rest, readHeads });
    areBooksSound = (check ?? (await readBooksCheck(db)))?.isSound ?? null;
    if (!check) return;
    await noteLedgerVerdict(db, check.findings);
    const tookMs = check.finishedAt.getTime() - check.startedAt.getTime();
    const broken = check.findings.filter(({ breaches }) => breaches > 0);
    log(check.isSound ? "info" : "error", check.isSound ? "books_sound" : "books_broken", { tookMs, broken });
  }

  return { name: "verify", everyMs: times.lookMs, run: look, areBooksSound: () => areBooksSound };
}
