/** What becomes of a batch of the ledger's orders: which question it is to the database, and what the answer means. */
import { kindOfBatchError } from "./batch-errors.ts";
import type { BatchQueries, Deviation, Extended, Settlement } from "./batch-queries.ts";
import { again } from "./group-commit.ts";
import type {
  Allowance,
  DefaultLimits,
  DrawnHold,
  ExtendOutcome,
  Extension,
  HoldOrder,
  HoldOutcome,
  SettleOutcome,
} from "../ledger.ts";
import type { Reserves } from "./reserves.ts";

/** `accountId`: of the hold, where whoever settles knows it. */
type SettleWaiting = { kind: "settle"; accountId: string | null } & Settlement;

export type Order =
  | { kind: "hold"; hold: HoldOrder }
  | { kind: "drawn"; drawn: DrawnHold }
  | { kind: "reserve"; reserve: HoldOrder }
  | { kind: "extend"; extension: Extension }
  | SettleWaiting;

export type Outcome = HoldOutcome | ExtendOutcome | SettleOutcome | ReserveOutcome;
/** `unknown` where the database failed: it may stand. */
export type ReserveOutcome = "placed" | "refused" | "unknown";

export type State = {
  /** The accounts of the holds that are not known to be settled. */
  open: Map<string, string>;
  /** The keys whose last hold could not simply be placed in full: they have limits, or their money runs short. */
  judgedKeys: Set<string>;
  /** What was drawn and is not known to be in the database. */
  unplaced: Map<string, { drawn: DrawnHold; placing: Promise<unknown> }>;
  reserves: Pick<Reserves, "end" | "endOf" | "isWanted">;
  /** The accounts of the reserves that may stand: also those that are ended, until they are given back. */
  aside: Map<string, string>;
};

const areUnlimited = (limits: DefaultLimits) =>
  limits.requestsPerMinute === null && limits.tokensPerMinute === null && limits.concurrentRequests === null;

/** Whether a hold is decided about by itself, and behind all settlements that have come before it. */
export const isJudged = (hold: HoldOrder, limits: DefaultLimits, { judgedKeys }: State): boolean =>
  judgedKeys.has(hold.apiKeyId) || !areUnlimited(limits);

type Sorted = {
  holds: HoldOrder[];
  reserves: HoldOrder[];
  /** By hold. */
  drawn: Map<string, DrawnHold>;
  settlements: Map<string, SettleWaiting>;
  /** By hold; of two for one hold the one that asks for more. */
  extensions: Map<string, Extension>;
  /** Whether none of what was drawn is known to have been sent before, in another batch. */
  areNew: boolean;
};

function sort(orders: Order[], unplaced: State["unplaced"]): Sorted {
  const sorted: Sorted = {
    holds: [],
    reserves: [],
    drawn: new Map(),
    settlements: new Map(),
    extensions: new Map(),
    areNew: true,
  };
  const { drawn, settlements, extensions } = sorted;
  for (const order of orders) {
    if (order.kind === "hold") sorted.holds.push(order.hold);
    else if (order.kind === "drawn") drawn.set(order.drawn.hold.id, order.drawn);
    else if (order.kind === "reserve") sorted.reserves.push(order.reserve);
    else if (order.kind === "extend") addExtension(extensions, order.extension);
    // Of two orders for one hold, the first one settles it.
    else if (!settlements.has(order.id)) settlements.set(order.id, order);
  }
  if (settlements.size + extensions.size === 0) return sorted;
  // What settles or extends a hold never comes without it: the batch that was to place it may have failed.
  for (const [id, { drawn: waiting }] of unplaced) {
    const isWanted = settlements.has(id) || settlements.has(waiting.reserveId) || extensions.has(id);
    if (drawn.has(id) || !isWanted) continue;
    drawn.set(id, waiting);
    sorted.areNew = false;
  }
  return sorted;
}

function addExtension(extensions: Sorted["extensions"], extension: Extension): void {
  const other = extensions.get(extension.id);
  if (!other || other.amountNanoUsd < extension.amountNanoUsd) extensions.set(extension.id, extension);
}

/** The account whose rows an order is about; null where only the database knows it. */
export function accountOf(order: Order, { open }: Pick<State, "open">): string | null {
  switch (order.kind) {
    case "hold":
      return order.hold.accountId;
    case "drawn":
      return order.drawn.hold.accountId;
    case "reserve":
      return order.reserve.accountId;
    case "extend":
      return order.extension.accountId;
    default:
      return open.get(order.id) ?? order.accountId;
  }
}

/** What is settled, or was not held, is open no more. @throws what the database threw: nobody knows what stands then */
export function createFlush(queries: BatchQueries, state: State) {
  const { open, judgedKeys, unplaced, reserves } = state;

  type OutcomeOf = (order: HoldOrder | SettleWaiting) => Outcome | typeof again;

  /** Those that cannot simply be placed in full are to be judged, and nothing of them stands. */
  async function placeAll(holds: HoldOrder[]): Promise<OutcomeOf> {
    const wallets = [...new Set(holds.map(({ accountId }) => accountId))];
    let left: string[];
    try {
      left = await queries.holdAll(holds, wallets);
    } catch (error) {
      if (!standsAlready(error)) throw error;
      left = wallets;
    }
    for (const wallet of left) reserves.endOf(wallet);
    return (order) => {
      const hold = order as HoldOrder;
      if (!left.includes(hold.accountId)) return heldInFull(hold);
      judgedKeys.add(hold.apiKeyId);
      return again;
    };
  }

  async function settleAndHold(
    { holds, drawn, settlements, areNew }: Sorted,
    limits: DefaultLimits,
  ): Promise<OutcomeOf> {
    const batch = {
      drawn: [...drawn.values()],
      settlements: [...settlements.values()],
      holds,
      wallets: walletsOf(settlements, drawn, holds),
    };
    let answer: Deviation[];
    try {
      answer = await queries.settleAndHold({ ...batch, areNew }, limits);
    } catch (error) {
      if (!areNew || !standsAlready(error)) throw error;
      answer = await queries.settleAndHold({ ...batch, areNew: false }, limits);
    }
    for (const id of drawn.keys()) unplaced.delete(id);
    const deviations = new Map<string, Deviation>();
    for (const deviation of answer) {
      deviations.set(deviation.id, deviation);
      if (deviation.outcome === "ended") reserves.end(deviation.id);
    }
    return (order) =>
      "kind" in order
        ? settleOutcomeOf(order, deviations.get(order.id))
        : holdOutcomeOf(order, deviations.get(order.id));
  }

  /** Of all holds of a batch; null where one is another process's, which the database looks up. */
  function walletsOf(settlements: Sorted["settlements"], drawn: Sorted["drawn"], holds: HoldOrder[]): string[] | null {
    const wallets = new Set<string>();
    for (const { accountId } of holds) wallets.add(accountId);
    for (const { hold } of drawn.values()) wallets.add(hold.accountId);
    for (const order of settlements.values()) {
      const wallet = accountOf(order, state);
      if (wallet === null) return null;
      wallets.add(wallet);
    }
    return [...wallets];
  }

  function holdOutcomeOf(hold: HoldOrder, deviation: Deviation | undefined): HoldOutcome | typeof again {
    if (!deviation) {
      judgedKeys.delete(hold.apiKeyId);
      return heldInFull(hold);
    }
    judgedKeys.add(hold.apiKeyId);
    const { outcome, amount, details = null } = deviation;
    if (outcome === "held") {
      return { outcome, amountNanoUsd: BigInt(amount), allowance: details && allowanceOf(details) };
    }
    if (outcome === "insufficient" && isAside(hold.accountId)) {
      reserves.endOf(hold.accountId);
      return again;
    }
    open.delete(hold.id);
    switch (outcome) {
      case "requests_per_minute":
      case "tokens_per_minute":
      case "concurrent_requests":
        return { outcome, retryAfterMs: details?.retry_after_ms ?? 1_000 };
      case "settled_now":
      case "settled_before":
      case "ended":
        throw new Error(`The ledger did not answer hold ${hold.id}.`);
      default:
        return { outcome };
    }
  }

  function isAside(accountId: string): boolean {
    for (const wallet of state.aside.values()) if (wallet === accountId) return true;
    return false;
  }

  function settleOutcomeOf({ id, capture }: SettleWaiting, deviation: Deviation | undefined): SettleOutcome {
    open.delete(id);
    state.aside.delete(id);
    if (!deviation) return { didSettle: true, paidNanoUsd: capture?.costNanoUsd ?? 0n };
    return deviation.outcome === "settled_now"
      ? { didSettle: true, paidNanoUsd: BigInt(deviation.amount) }
      : nothingSettled;
  }

  /** Money that is set aside is given back before a stream is ended for want of it. */
  async function extend(extensions: Map<string, Extension>): Promise<(id: string) => ExtendOutcome | typeof again> {
    const wallets = [...new Set([...extensions.values()].map(({ accountId }) => accountId))];
    const answers = new Map<string, Extended>();
    for (const answer of await queries.extend([...extensions.values()], wallets)) answers.set(answer.id, answer);
    return (id) => {
      const { outcome = "settled", amount = "0" } = answers.get(id) ?? {};
      const accountId = extensions.get(id)?.accountId;
      if (outcome === "insufficient" && accountId !== undefined && isAside(accountId)) {
        reserves.endOf(accountId);
        return again;
      }
      return { outcome, amountNanoUsd: BigInt(amount) };
    };
  }

  async function reserve(asked: HoldOrder[]): Promise<(id: string) => ReserveOutcome> {
    try {
      const placed = asked.length > 0 ? await queries.reserve(asked) : [];
      return (id) => (placed.includes(id) ? "placed" : "refused");
    } catch (error) {
      // What is only too late for a lock, or refused, does not stand.
      const outcome = kindOfBatchError(error) === "other" ? "unknown" : "refused";
      return () => outcome;
    }
  }

  return async (orders: Order[], limits: DefaultLimits): Promise<(Outcome | typeof again)[]> => {
    const sorted = sort(orders, unplaced);
    const { settlements } = sorted;
    const judged = new Set(sorted.holds.filter((hold) => isJudged(hold, limits, state)));
    const isBatch = settlements.size + sorted.drawn.size + judged.size > 0;
    // Where money is set aside it is given back before anybody is refused for want of it.
    const aside = new Set(state.aside.values());
    const isDecided = (hold: HoldOrder) => judged.has(hold) || (isBatch && !aside.has(hold.accountId));
    const decided = new Set(sorted.holds.filter(isDecided));
    const plain = sorted.holds.filter((hold) => !decided.has(hold));
    const asked = sorted.reserves.filter(({ id }) => reserves.isWanted(id));
    const answers = await Promise.allSettled([
      isBatch ? settleAndHold({ ...sorted, holds: [...decided] }, limits) : nothingAsked,
      // Before whoever comes anew: a stream that runs has been paid for in part.
      sorted.extensions.size > 0 ? extend(sorted.extensions) : nothingAsked,
      plain.length > 0 ? placeAll(plain) : nothingAsked,
      // Behind those whose money it would take; its own question, which fails alone.
      asked.length > 0 ? reserve(asked) : noReserves,
    ]);
    const [outcomeOf, extendedOf, placedOf, reservedOf] = allOf(answers);
    return orders.map((order) => {
      switch (order.kind) {
        case "hold":
          return decided.has(order.hold) ? outcomeOf(order.hold) : placedOf(order.hold);
        case "reserve":
          return reservedOf(order.reserve.id);
        case "extend":
          return extendedOf(order.extension.id);
        case "drawn":
          return "placed";
        default:
          return settlements.get(order.id) === order ? outcomeOf(order) : nothingSettled;
      }
    });
  };
}

/** Once all of them are over: nothing of a batch is under way any more when it has failed. */
function allOf<Values extends unknown[]>(answers: { [N in keyof Values]: PromiseSettledResult<Values[N]> }): Values {
  return answers.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }) as Values;
}

const nothingAsked = (): typeof again => again;
const noReserves = () => "refused" as const;

const uniqueViolation = "23505";
/** The connection broke after a commit, and the same orders were sent again. */
const standsAlready = (error: unknown) => (error as { code?: string }).code === uniqueViolation;

export const heldInFull = ({ amountNanoUsd }: HoldOrder): HoldOutcome => ({
  outcome: "held",
  amountNanoUsd,
  allowance: null,
});

const allowanceOf = (details: NonNullable<Deviation["details"]>): Allowance => ({
  requests: details.limit_requests
    ? { limit: details.limit_requests, remaining: details.remaining_requests ?? 0 }
    : null,
  tokens: details.limit_tokens ? { limit: details.limit_tokens, remaining: details.remaining_tokens ?? 0 } : null,
});

const nothingSettled: SettleOutcome = { didSettle: false, paidNanoUsd: 0n };
