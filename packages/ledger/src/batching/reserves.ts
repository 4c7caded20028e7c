/**
 * Money that this process has set aside for the keys that call all the time, so that their holds need not wait for the
 * database: each one is drawn from its key's reserve, in memory, and the database is told when it settles anyway. A reserve
 * is a hold itself, placed and given back like any other one: nothing can be drawn that is not there.
 */
import { randomBytes } from "node:crypto";
import type { HoldOrder } from "../ledger.ts";

export type Reserves = {
  /** Takes a hold's money of its key's reserve and answers with the reserve's id; null where there is none, or too little. */
  draw(order: HoldOrder): string | null;
  /** Nothing more is drawn by the key that has this reserve, on a wallet, or by any key; what is left is given back. */
  end(id: string): void;
  endOf(accountId: string): void;
  /** Resolves when what is being asked for has come, and is being given back, too. */
  endAll(): Promise<void>;
  /** Whether a reserve that is asked for has not been ended. */
  isWanted(id: string): boolean;
};

export type ReservesOptions = {
  /** Resolves with whether the money was set aside. @throws Error where nobody knows: it is given back then */
  setAside: (reserve: HoldOrder) => Promise<boolean>;
  giveBack: (id: string) => void;
};

const windowMs = 100;
/** So many calls of a key in a window are worth a reserve, */
const busyCalls = 10;
/** which is made for so many windows like that, */
const windowsAhead = 4;
/** and given back when nothing was drawn for so long. */
const idleMs = 300;
/** After a refusal, or where a wallet's money ran short. */
const refusedMs = 1_000;
/** No wallet has more; the database reckons in 64 bits, and with eight times as much. */
const mostNanoUsd = 2n ** 59n;

/** By then a batch that nobody waits for any more has come to nothing, or stands. */
const knownMs = 10_000;

type Reserve = { id: string; leftNanoUsd: bigint; placedNanoUsd: bigint };

/** Of one key. */
class Usage {
  calls = 0;
  callsBefore = 0;
  windowAtMs = 0;
  calledAtMs = 0;
  drawnAtMs = 0;
  notBeforeMs = 0;
  /** The id of what is asked for. */
  asked: string | null = null;
  current: Reserve | null = null;
  /** What is drawn from when the current one is used up. */
  next: Reserve | null = null;

  constructor(readonly accountId: string) {}

  count(nowMs: number): void {
    this.calledAtMs = nowMs;
    const sinceMs = nowMs - this.windowAtMs;
    if (sinceMs > windowMs) {
      this.callsBefore = sinceMs > 2 * windowMs ? 0 : this.calls;
      this.calls = 0;
      this.windowAtMs = nowMs;
    }
    this.calls++;
  }

  callsPerWindow(): number {
    return Math.max(this.calls, this.callsBefore);
  }

  needsMore(amountNanoUsd: bigint, nowMs: number): boolean {
    if (this.next || this.asked !== null || nowMs < this.notBeforeMs || this.callsPerWindow() < busyCalls) return false;
    const { current } = this;
    return !current || current.leftNanoUsd < amountNanoUsd || current.leftNanoUsd * 2n < current.placedNanoUsd;
  }

  /** What is to be given back. */
  end(): Reserve[] {
    const reserves = [this.current, this.next].filter((reserve) => reserve !== null);
    this.current = this.next = this.asked = null;
    return reserves;
  }
}

export function createReserves({ setAside, giveBack }: ReservesOptions): Reserves {
  const usages = new Map<string, Usage>();
  const asking = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | null = null;

  async function ask(usage: Usage, like: HoldOrder, id: string): Promise<void> {
    const placedNanoUsd = BigInt(usage.callsPerWindow() * windowsAhead) * like.amountNanoUsd;
    let isPlaced = false;
    try {
      isPlaced =
        placedNanoUsd <= mostNanoUsd &&
        (await setAside({ ...like, id, amountNanoUsd: placedNanoUsd, minAmountNanoUsd: null }));
    } catch {
      giveBack(id);
      setTimeout(() => giveBack(id), knownMs).unref();
    }
    const isWanted = usage.asked === id;
    if (isWanted) usage.asked = null;
    if (!isPlaced) usage.notBeforeMs = performance.now() + refusedMs;
    else if (!isWanted) giveBack(id);
    else {
      usage.drawnAtMs = performance.now();
      const reserve = { id, leftNanoUsd: placedNanoUsd, placedNanoUsd };
      if (usage.current) usage.next = reserve;
      else usage.current = reserve;
    }
  }

  function startAsking(usage: Usage, like: HoldOrder): void {
    const id = (usage.asked = reserveId());
    const asked = ask(usage, like, id).finally(() => asking.delete(asked));
    asking.add(asked);
  }

  function endWhere(isMeant: (usage: Usage) => boolean, notBeforeMs = 0): void {
    for (const usage of usages.values()) {
      if (!isMeant(usage)) continue;
      usage.notBeforeMs = Math.max(usage.notBeforeMs, notBeforeMs);
      for (const { id } of usage.end()) giveBack(id);
    }
  }

  function endIdle(): void {
    const nowMs = performance.now();
    endWhere(({ drawnAtMs, asked }) => asked === null && nowMs - drawnAtMs > idleMs);
    for (const [key, { calledAtMs, notBeforeMs, asked, current }] of usages) {
      if (!current && asked === null && nowMs > notBeforeMs && nowMs - calledAtMs > idleMs) usages.delete(key);
    }
    if (usages.size > 0 || !timer) return;
    clearInterval(timer);
    timer = null;
  }

  function usageOf({ apiKeyId, accountId }: HoldOrder): Usage {
    let usage = usages.get(apiKeyId);
    if (usage) return usage;
    usage = new Usage(accountId);
    usages.set(apiKeyId, usage);
    timer ??= setInterval(endIdle, windowMs).unref();
    return usage;
  }

  return {
    draw: (order) => {
      const nowMs = performance.now();
      const usage = usageOf(order);
      usage.count(nowMs);
      if (usage.current && usage.next && usage.current.leftNanoUsd < order.amountNanoUsd) {
        giveBack(usage.current.id);
        usage.current = usage.next;
        usage.next = null;
      }
      if (usage.needsMore(order.amountNanoUsd, nowMs)) startAsking(usage, order);
      const { current } = usage;
      if (!current || current.leftNanoUsd < order.amountNanoUsd) return null;
      current.leftNanoUsd -= order.amountNanoUsd;
      usage.drawnAtMs = nowMs;
      return current.id;
    },
    end: (id) => endWhere(({ current, next }) => current?.id === id || next?.id === id),
    endOf: (accountId) => endWhere((usage) => usage.accountId === accountId, performance.now() + refusedMs),
    endAll: async () => {
      endWhere(() => true);
      await Promise.all(asking);
    },
    isWanted: (id) => {
      for (const { asked } of usages.values()) if (asked === id) return true;
      return false;
    },
  };
}

/** A uuid v7, as holds have. */
function reserveId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
