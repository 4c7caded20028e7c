/** Joins the gateway's ports to the domain's functions: the only file that knows both sides. */
import { fillPool, openCallPool, type Database } from "@codex-gateway/db";
import {
  addResource,
  type ChangeTopic,
  type Debts,
  claimIdempotency,
  costNanoUsd,
  extendCall,
  createAttemptLog,
  createDebtAllowance,
  createKeyRing,
  createUnpricedModels,
  findRefusedKeys,
  giveUpIdempotency,
  type HeldCall,
  holdInSteps,
  isTierPriced,
  keepAnswer,
  listenToChanges,
  listResources,
  type LoadedPrices,
  loadPrices,
  locateResources,
  mayAddResource,
  mayUseModel,
  missingResource,
  openPrice,
  type OpenUpstream,
  openUpstreams,
  readSettings,
  removeResource,
  type Secrets,
  seedPrices,
  type Settings,
} from "@codex-gateway/domain";
import {
  closeInstance,
  createCheckpoints,
  createLedger,
  createReapGuard,
  openInstance,
  openSpool,
  QueueFullError,
  type RecallResponse,
  type DefaultLimits,
  type SettleOrder,
} from "@codex-gateway/ledger";
import {
  createGateway,
  type Caller,
  type CallRecord,
  type Gateway,
  type Hold,
  type Log,
  type OutboundProxy,
  type Ports,
  type RequestPolicy,
  type ResourceKind,
  type Settlement,
  type UpstreamPolicy,
} from "@codex-gateway/gateway";
import type { ClientAddress } from "../http/client-address.ts";
import { sightingOf } from "../jobs/alert-jobs.ts";
import { answerRead } from "../http/answer-read.ts";
import { createStatusReader } from "../http/status-reader.ts";
import { spoolFolderOf, type Env } from "./env.ts";
import { jobsOf } from "../jobs/jobs.ts";
import { headsEveryMs } from "../jobs/keep-head.ts";
import { headsFolderOf } from "../jobs/kept-heads.ts";
import type { CaughtFault } from "../observability/last-guard.ts";
import { asConfiguration } from "./configuration-error.ts";
import { createMetrics, type Metrics } from "../observability/metrics.ts";
import { createProcessAlerts } from "../notify/process-alerts.ts";
import { markProcess } from "../jobs/process-marks.ts";
import { createAlertSender, type SendAlert } from "../notify/send-alert.ts";
import { createTraces } from "../observability/traces.ts";
import { createUnknownTiers, type UnknownTiers } from "../notify/unknown-tiers.ts";
import { schedule } from "../jobs/schedule.ts";
import { createVerifyJob } from "../jobs/verify-job.ts";

export type Composed = {
  gateway: Gateway;
  secrets: Secrets;
  healthOfUpstream: (id: string) => ReturnType<Gateway["health"]>;
  sendAlert: SendAlert;
  /** Counts an error that nobody has caught, and tells of it. */
  noteFault(fault: CaughtFault): void;
  /** No call lasts longer. */
  maxCallMs: () => number;
  /** On the way that calls take. @throws Error where the database does not answer */
  reachesDatabase(): Promise<boolean>;
  /** Null where nobody may read them. */
  metrics: Metrics | null;
  /** Ends the calls that still run with an error that their clients can read, and waits until they are settled. */
  cutOff(): Promise<void>;
  /** Settles what is open and ends the jobs; resolves with the number of settlements that could not be written. */
  stop(): Promise<number>;
};

export type ComposeOptions = {
  databaseUrl: string;
  /** The same database, on the shortest way. */
  ledgerUrl: string;
  secrets: Secrets;
  env: Pick<
    Env,
    | "DATA_FOLDER"
    | "LEDGER_JOURNAL"
    | "PUBLIC_URL"
    | "METRICS_TOKEN"
    | "METRICS_ADDRESSES"
    | "OTEL_EXPORTER_OTLP_ENDPOINT"
    | "GATEWAY_PREVIOUS_EXIT"
  >;
  log: Log;
  clients: ClientAddress;
  proxy: OutboundProxy | null;
};

/** Settings, prices and upstreams as they are now: read per request, refreshed on word of a change. */
type Known = {
  settings: Settings;
  upstreamPolicy: UpstreamPolicy;
  requestPolicy: RequestPolicy;
  defaultLimits: DefaultLimits;
  prices: LoadedPrices;
  upstreams: OpenUpstream[];
  /** Tiers that the upstreams' projects serve requests in which name none. */
  projectTiers: readonly string[];
};

/** A process that is found dead so soon after the start was this one's predecessor. */
const predecessorMs = 5_000;

/** For the settlements of calls that were cut off, or whose clients had left. */
const settleMs = 10_000;

export async function compose(db: Database, options: ComposeOptions): Promise<Composed> {
  const { env, log, secrets } = options;
  const startedAtMs = Date.now();
  await seedPrices(db);
  const known: Known = {
    ...knownBy(await readSettings(db)),
    prices: await loadPrices(db),
    ...knownOfUpstreams(await openUpstreams(db, secrets)),
  };
  const instance = await openInstance(db);
  const spoolFolder = spoolFolderOf(env);
  const unmark = markProcess(env.DATA_FOLDER, instance.id);
  const processAlerts = createProcessAlerts(db);
  let isFirstDeath = true;
  const noteDeath = () => {
    // Later ones are of processes beside this one.
    const isRestarted = isFirstDeath && Date.now() - startedAtMs < predecessorMs;
    isFirstDeath = false;
    processAlerts.death({ ...exitOf(isRestarted ? env.GATEWAY_PREVIOUS_EXIT : undefined), isRestarted });
  };
  let owed: Debts | null = null;
  const readGauges = () => ({
    callsInFlight: gateway.inFlight(),
    holdsOpen: ledger.load().holdsOpen,
    ledgerQueued: ledger.load().queued,
    ledgerContended: ledger.load().contended,
    spooled: spool.size(),
    isLogWritable: spool.fault() === null,
    debts: owed,
    areBooksSound: verifyJob.areBooksSound(),
    upstreams: known.upstreams.map((upstream) => ({
      id: upstream.id,
      host: new URL(upstream.baseUrl).host,
      health: gateway.health(upstream),
    })),
  });
  const metrics = asConfiguration(() => createMetrics(env, readGauges, (req) => options.clients.of(req)));
  const traces = createTraces(env.OTEL_EXPORTER_OTLP_ENDPOINT);
  const ledgerPool = openCallPool(options.ledgerUrl, "ledger");
  const lookupPool = openCallPool(options.ledgerUrl, "lookups");
  await Promise.all([ledgerPool, lookupPool].map(fillPool));
  const ledger = createLedger(ledgerPool, instance, {
    openPrice,
    defaultLimits: () => known.defaultLimits,
    ...(metrics ? { onBatch: (orders, tookMs) => metrics.ledgerBatch(orders, tookMs) } : {}),
    onDeadLetter: ({ requestId, outcome, code }) => {
      metrics?.setAside(outcome);
      log("error", "settlement_set_aside", { requestId, outcome, code });
    },
  });
  const spool = openSpool(spoolFolder, instance.id, ledger, {
    writesAhead: env.LEDGER_JOURNAL === "on",
    onFault: (fault) => {
      if (fault) log("error", "log_unwritable", { error: fault.message });
      else log("info", "log_writable", {});
    },
  });
  const debts = createDebtAllowance(() => ({
    perCallNanoUsd: BigInt(known.settings.maxCallDebtNanoUsd),
    perAccountNanoUsd: BigInt(known.settings.maxUserDebtNanoUsd),
  }));
  const checkpoints = createCheckpoints(db);
  const attempts = createAttemptLog(db);
  const unpricedModels = createUnpricedModels(db);
  const unknownTiers = createUnknownTiers(db);
  const keys = createKeyRing({ pool: lookupPool }, secrets);

  async function refresh(topic: ChangeTopic | null): Promise<void> {
    if (topic === null || topic === "settings") Object.assign(known, knownBy(await readSettings(db)));
    if (topic === null || topic === "prices") known.prices = await loadPrices(db);
    if (topic === null || topic === "upstreams")
      Object.assign(known, knownOfUpstreams(await openUpstreams(db, secrets)));
  }
  /** Null until there can be any: word of changes may come before. */
  let streams: Pick<Gateway, "streamingKeys" | "endStreams"> | null = null;
  /** Of keys that may not call any more, and of users who may not. */
  async function endRefusedStreams(): Promise<void> {
    const running = streams?.streamingKeys() ?? [];
    if (running.length === 0) return;
    for (const { apiKeyId, refused } of await findRefusedKeys({ pool: ledgerPool }, running)) {
      streams?.endStreams(apiKeyId, { refused });
    }
  }

  const changes = await listenToChanges(options.databaseUrl, (topic) => {
    if (topic === null || topic === "keys") {
      keys.forget();
      ledger.endReserves().catch((error: unknown) => {
        log("error", "end_reserves_failed", { error: (error as Error).message });
      });
      endRefusedStreams().catch((error: unknown) => {
        log("error", "end_streams_failed", { error: (error as Error).message });
      });
    }
    refresh(topic).catch((error: unknown) => log("error", "refresh_failed", { error: (error as Error).message }));
  });

  /** A hold may stand although its answer was lost: nothing goes upstream under it, so it is given back. */
  function giveBack(requestId: string, error: Error): void {
    // Nobody waits for that: where the database does not answer, it takes as long as that lasts.
    if (!(error instanceof QueueFullError)) {
      spool.settle({ release: requestId }).catch((fault: unknown) => {
        log("error", "release_failed", { requestId, error: (fault as Error).message });
      });
    }
    log("error", "hold_failed", { requestId, error: error.message });
  }

  const locate: Ports["resources"]["locate"] = async ({ caller, resources, model, creates }) => {
    if (model !== null && !mayUseModel(caller, model)) return { refused: "model_not_allowed", param: "model" };
    const { accountId } = caller;
    if (creates && !(await mayAddResource({ pool: lookupPool }, { accountId, kind: creates }))) {
      return { refused: "resource_limit_reached" };
    }
    const [first] = resources;
    if (!first) return { upstreamId: null };
    await spool.caughtUp();
    const place = await locateResources({ pool: lookupPool }, { accountId, resources });
    if ("refused" in place) return place;
    const isThere = (upstreamId: string | null) =>
      upstreamId === null || known.upstreams.some((each) => each.id === upstreamId);
    return isThere(place.upstreamId) ? place : missingResource(first);
  };

  /** Whose what a call stores will be, by its hold: few calls store anything that no charge tells of. */
  const storing = new WeakMap<Hold, { caller: Caller; kind: ResourceKind }>();

  async function addStored(
    { caller, kind }: { caller: Caller; kind: ResourceKind },
    settlement: Settlement,
  ): Promise<void> {
    if (settlement.outcome !== "captured" || settlement.upstreamResponseId === null) return;
    const { accountId, apiKeyId } = caller;
    const { upstreamResponseId: id, upstreamId } = settlement;
    await addResource(db, { accountId, apiKeyId, kind, id, upstreamId }).catch((error: unknown) => {
      // It is paid for and answered all the same; only nobody can ask for it again.
      log("error", "resource_lost", { requestId: settlement.hold.id, kind, error: (error as Error).message });
    });
  }

  const ports: Ports = {
    authenticate: ({ secret, endpoint, remoteAddress }) => keys.authenticate(secret, { endpoint, remoteAddress }),
    placeHold: async (request) => {
      const { caller } = request;
      const place = await locate({ ...request, creates: null });
      if ("refused" in place) return place;
      const { settings, prices, projectTiers } = known;
      const { defaultMaxOutputTokens, minReasoningOutputTokens, remoteInputTokens } = settings;
      // Its charge would stand nowhere.
      if (spool.isStuck()) return { refused: "service_unavailable" };
      let held: Awaited<ReturnType<typeof holdInSteps>>;
      try {
        held = await holdInSteps(
          {
            ledger: request.isNamed ? ledger : spool,
            prices: prices.book,
            defaultMaxOutputTokens,
            minReasoningOutputTokens,
            remoteInputTokens,
            projectTiers,
          },
          {
            id: request.id,
            accountId: caller.accountId,
            apiKeyId: caller.apiKeyId,
            endpoint: request.endpoint,
            model: request.model,
            hasOutput: request.hasOutput,
            isStream: request.isStream,
            bound: request.bound,
            countInputTokens: request.countInputTokens,
          },
        );
      } catch (error) {
        giveBack(request.id, error as Error);
        return { refused: "service_unavailable" };
      }
      if ("refused" in held) {
        if (held.refused === "model_not_priced") unpricedModels.note(request.model);
        return held;
      }
      const { outputCapTokens, isCapLowered, doesReason, inputTokens, outputTokens, heldOutputTokens, allowance } =
        held;
      const hold: Hold = {
        held: true,
        id: request.id,
        outputCapTokens,
        isCapLowered,
        doesReason,
        inputTokens,
        outputTokens,
        heldOutputTokens,
        upstreamId: place.upstreamId,
        allowance,
        grant: held,
      };
      if (request.stores) storing.set(hold, { caller, kind: request.stores });
      return hold;
    },
    extendHold: ({ hold, outputTokens }) =>
      extendCall(ledger, hold.grant as HeldCall, {
        outputTokens,
        debtNanoUsd: () => debts.open(hold.grant as HeldCall),
      }),
    checkpoint: ({ hold, inputTokens, upstreamResponseId, observedOutputTokens }) => {
      ledger.untilPlaced(hold.id).then(
        () =>
          checkpoints.note({
            id: hold.id,
            upstreamResponseId,
            observedOutputTokens,
            estimatedInputTokens: inputTokens,
          }),
        (error: unknown) => log("warn", "checkpoint_failed", { requestId: hold.id, error: (error as Error).message }),
      );
    },
    settle: (settlement) => {
      debts.close(settlement.hold.id);
      const order = orderOf(settlement, unknownTiers);
      if (metrics && "capture" in order) {
        metrics.captured({ ...order.capture, priceName: priceNameOf(settlement.hold) });
      }
      const stores = storing.get(settlement.hold);
      return stores ? addStored(stores, settlement).then(() => spool.settle(order)) : spool.settle(order);
    },
    idempotency: {
      claim: async (name) => {
        await spool.caughtUp();
        return claimIdempotency(db, name);
      },
      keep: (answer) => keepAnswer(db, answer),
      giveUp: (name) => giveUpIdempotency(db, name),
    },
    resources: {
      locate,
      add: ({ caller: { accountId, apiKeyId }, kind, id, upstreamId }) =>
        addResource(db, { accountId, apiKeyId, kind, id, upstreamId }),
      remove: ({ caller: { accountId, apiKeyId }, kind, id, upstreamId }) =>
        removeResource(db, { accountId, apiKeyId, kind, id, upstreamId }),
      list: async ({ caller: { accountId }, ...query }) => {
        await spool.caughtUp();
        return listResources({ pool: lookupPool }, { accountId, ...query });
      },
    },
    listUpstreams: () => known.upstreams,
    drainsOnDisconnect: () => known.settings.drainsOnDisconnect,
    readStatus: createStatusReader({ pool: lookupPool }),
    chargesBrokenAnswers: () => known.settings.chargesBrokenAnswers,
    answerRead: (query) => answerRead(db, { ...known, caughtUp: () => spool.caughtUp() }, query),
    now: Date.now,
    log,
    observe: (record) => {
      const priceName = record.hold && priceNameOf(record.hold);
      // What was answered well at once stands in its charge.
      if (record.hold && (record.attempts.length > 1 || record.status >= 300)) {
        attempts.note(record.hold.id, record.attempts);
      }
      metrics?.observe(record, priceName);
      traces?.observe(record, priceName);
      logCall(log, record, priceName);
    },
  };
  const gateway = createGateway(ports, {
    upstreamPolicy: () => known.upstreamPolicy,
    proxy: options.proxy,
    requestPolicy: () => known.requestPolicy,
  });
  streams = gateway;
  const verifyJob = createVerifyJob(db, log, {
    folder: headsFolderOf(env.DATA_FOLDER),
    secrets,
    everyMs: headsEveryMs,
  });
  const recall: RecallResponse = (id) => gateway.recallResponse(id);
  const maxCallMs = () => {
    const { totalMs, wholeAnswerMs } = known.upstreamPolicy.timeouts;
    return totalMs + wholeAnswerMs + settleMs;
  };
  const sendAlert = createAlertSender(env.PUBLIC_URL ?? null);
  const services = {
    db,
    instance,
    leasePool: ledgerPool,
    ledger,
    guard: createReapGuard(),
    spool,
    spoolFolder,
    dataFolder: env.DATA_FOLDER,
    secrets,
    keys,
    refresh,
    recall,
    onDeath: noteDeath,
    maxCallMs,
    onUnread: (lines: number) => metrics?.setAside("unread", lines),
    sendAlert,
    sightings: () => known.upstreams.map((each) => sightingOf(each, gateway.vitals(each), Date.now())),
    unpricedModels,
    tellOfTiers: () => unknownTiers.tell(),
    tellOfProcesses: () => processAlerts.tell(),
    onDebts: (debts: Debts) => (owed = debts),
    logSighting: () => ({ instanceId: instance.id, fault: spool.fault()?.message ?? null }),
    log,
  };
  const jobs = schedule([...jobsOf(services), verifyJob], log);

  return {
    gateway,
    secrets,
    noteFault: (fault) => {
      metrics?.uncaught(fault.origin);
      processAlerts.fault(fault);
    },
    maxCallMs,
    sendAlert,
    reachesDatabase: async () => (await ledgerPool.query("SELECT 1")).rowCount === 1,
    metrics,
    healthOfUpstream: (id) => {
      const upstream = known.upstreams.find((each) => each.id === id);
      return upstream ? gateway.health(upstream) : "unused";
    },
    cutOff: async () => {
      gateway.drain();
      await gateway.close();
      await untilSettled(gateway);
    },
    stop: async () => {
      gateway.drain();
      await untilSettled(gateway);
      await gateway.close();
      await ledger.endReserves();
      await ledger.idle();
      await spool.caughtUp();
      await attempts.idle();
      const unsettled = await spool.replay().catch((error: unknown) => {
        log("error", "spool_failed", { error: (error as Error).message });
        return spool.size();
      });
      await jobs.stop();
      await changes.stop();
      await keys.flushLastUsed().catch(() => undefined);
      await closeInstance(db, instance).catch(() => undefined);
      unmark();
      await ledgerPool.end().catch(() => undefined);
      await lookupPool.end().catch(() => undefined);
      await traces?.stop();
      return unsettled + gateway.inFlight();
    },
  };
}

function exitOf(text: string | undefined): { exitCode: number | null; signal: string | null } {
  if (text === undefined) return { exitCode: null, signal: null };
  return text.startsWith("SIG") ? { exitCode: null, signal: text } : { exitCode: Number(text), signal: null };
}

/** The price's name, not what the client wrote: names of models are then as few as prices. */
const priceNameOf = (hold: Hold): string => (hold.grant as HeldCall).version.model;

function logCall(log: Log, record: CallRecord, priceName: string | null): void {
  const { requestId, endpoint, status, errorCode, isStream, receivedAtMs, endedAtMs } = record;
  const tookMs = Math.round(endedAtMs - receivedAtMs);
  const level = status >= 500 ? "warn" : "debug";
  log(level, "call", { requestId, endpoint, model: priceName, status, errorCode, isStream, tookMs });
}

async function untilSettled(gateway: Gateway): Promise<void> {
  const untilMs = Date.now() + settleMs;
  while (gateway.inFlight() > 0 && Date.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
}

const knownOfUpstreams = (upstreams: OpenUpstream[]): Pick<Known, "upstreams" | "projectTiers"> => ({
  upstreams,
  projectTiers: [...new Set(upstreams.flatMap(({ projectTier }) => projectTier ?? []))],
});

/** The settings, and what each call reads of them. */
const knownBy = (
  settings: Settings,
): Pick<Known, "settings" | "upstreamPolicy" | "requestPolicy" | "defaultLimits"> => ({
  settings,
  upstreamPolicy: {
    timeouts: {
      connectMs: settings.connectTimeoutSeconds * 1_000,
      streamHeadersMs: settings.streamTimeoutSeconds * 1_000,
      wholeAnswerMs: settings.answerTimeoutSeconds * 1_000,
      idleMs: settings.idleTimeoutSeconds * 1_000,
      totalMs: settings.totalTimeoutSeconds * 1_000,
    },
    allowsPrivateAddresses: settings.allowsPrivateUpstreams,
  },
  requestPolicy: {
    maxBodyBytes: settings.maxBodyMebibytes * 1024 * 1024,
    allowedOrigins: new Set(
      settings.allowedOrigins
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    ),
  },
  defaultLimits: {
    requestsPerMinute: settings.defaultRequestsPerMinute,
    tokensPerMinute: settings.defaultTokensPerMinute,
    concurrentRequests: settings.defaultConcurrentRequests,
  },
});

/** Member by member: to copy "all but two" costs as much as the whole rest of it, and this runs for each call. */
function orderOf(settlement: Settlement, unknownTiers: UnknownTiers): SettleOrder {
  const { hold } = settlement;
  if (settlement.outcome === "released") return { release: hold.id };
  const { version } = hold.grant as HeldCall;
  const { usage, serviceTier, flags } = settlement;
  if (!isTierPriced(version.prices, serviceTier)) {
    flags.push("unknown_tier");
    unknownTiers.note(version.model, serviceTier ?? "");
  }
  return {
    capture: {
      id: hold.id,
      costNanoUsd: costNanoUsd(version.prices, usage, serviceTier),
      usage,
      basis: settlement.basis,
      flags,
      servedModel: settlement.servedModel,
      serviceTier,
      upstreamId: settlement.upstreamId,
      upstreamRequestId: settlement.upstreamRequestId,
      upstreamResponseId: settlement.upstreamResponseId,
      status: settlement.status,
      isStream: settlement.isStream,
      timeToFirstByteMs: settlement.timeToFirstByteMs,
      latencyMs: settlement.latencyMs,
    },
  };
}
