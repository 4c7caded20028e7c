/** Names all that jobs work with: composed once, handed to each of them. */
import type { Database } from "@codex-gateway/db";
import type {
  createKeyRing,
  Debts,
  LogSighting,
  Secrets,
  UnpricedModels,
  UpstreamSighting,
} from "@codex-gateway/domain";
import type { Log } from "@codex-gateway/gateway";
import type { createReapGuard, Instance, Ledger, RecallResponse, Spool } from "@codex-gateway/ledger";
import type { SendAlert } from "../notify/send-alert.ts";

export type JobServices = {
  db: Database;
  instance: Instance;
  /** The ledger's: pages that wait for the database do not keep the lease from being renewed. */
  leasePool: Database["pool"];
  ledger: Ledger;
  guard: ReturnType<typeof createReapGuard>;
  spool: Spool;
  spoolFolder: string;
  dataFolder: string;
  secrets: Secrets;
  keys: ReturnType<typeof createKeyRing>;
  refresh: (topic: null) => Promise<void>;
  recall: RecallResponse;
  /** Told of lines of dead processes' logs that could not be read. */
  onUnread: (lines: number) => void;
  /** Told when another process of this data folder has died. */
  onDeath: () => void;
  /** No call lasts longer. */
  maxCallMs: () => number;
  sendAlert: SendAlert;
  sightings: () => UpstreamSighting[];
  unpricedModels: UnpricedModels;
  /** Writes what is to be told of service tiers without a price. */
  tellOfTiers: () => Promise<void>;
  logSighting: () => LogSighting;
  /** Writes what is to be told of processes. */
  tellOfProcesses: () => Promise<void>;
  /** Told what users owe, for the metrics. */
  onDebts: (debts: Debts) => void;
  log: Log;
};
