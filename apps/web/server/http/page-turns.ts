/**
 * Shares out the processor among those who ask for pages and procedures, so that a burst of one network is a line of its own
 * and not everybody's: what is asked at once would be worked at at once, with each call of `/v1` behind all of it. Networks
 * take turns; who waits for a database, a hash or a reader takes nothing of the processor, and has its turn no longer than
 * `maxTurnMs`.
 */
import { networkOf } from "@codex-gateway/domain";

export type PageTurns = {
  /**
   * Counts a request that has come in; null where its network, or its session (what it says of itself, null: nothing), has
   * too many already, and it is refused at once.
   */
  enter(address: string, session: string | null): PageRequest | null;
};

export type PageRequest = {
  /** Resolves when the request may be worked at. */
  turn(): Promise<void>;
  /** The request is over; the second time it does nothing. */
  leave(): void;
};

type Limits = {
  maxRunning: number;
  maxPerNetwork: number;
  maxPerSession: number;
  maxInAll: number;
  maxTurnMs: number;
};

const maxRunning = 8;
/** Under way or waiting. */
const maxPerNetwork = 128;
/** A browser asks for fewer than ten. */
const maxPerSession = 24;
const maxInAll = 2_048;
const maxTurnMs = 50;

type Network = { name: string; count: number; waiting: Set<() => void> };

export function createPageTurns(given: Partial<Limits> = {}): PageTurns {
  const limits = { maxRunning, maxPerNetwork, maxPerSession, maxInAll, maxTurnMs, ...given };
  const networks = new Map<string, Network>();
  /** Requests, by session. */
  const sessions = new Map<string, number>();
  /** Those with somebody waiting; the one whose turn was longest ago comes first. */
  const line = new Set<Network>();
  let count = 0;
  let running = 0;

  function turnsOf(address: string): Network {
    const name = networkOf(address).network;
    let network = networks.get(name);
    if (!network) networks.set(name, (network = { name, count: 0, waiting: new Set() }));
    return network;
  }

  function runNext(): void {
    while (running < limits.maxRunning) {
      const [network] = line;
      const [begin] = network?.waiting ?? [];
      if (!network || !begin) return;
      unlist(network, begin);
      if (network.waiting.size > 0) line.add(network);
      running++;
      begin();
    }
  }

  function unlist(network: Network, begin: () => void): void {
    network.waiting.delete(begin);
    line.delete(network);
  }

  function leaveSession(session: string): void {
    const left = (sessions.get(session) ?? 1) - 1;
    if (left > 0) sessions.set(session, left);
    else sessions.delete(session);
  }

  /** Ends a turn that has begun, once: when the request is over, or has taken long enough. */
  function beginTurn(): () => void {
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      running--;
      runNext();
    };
    const timer = setTimeout(end, limits.maxTurnMs);
    return end;
  }

  return {
    enter(address, session) {
      const ofSession = session === null ? 0 : (sessions.get(session) ?? 0);
      if (count >= limits.maxInAll || ofSession >= limits.maxPerSession) return null;
      const network = turnsOf(address);
      if (network.count >= limits.maxPerNetwork) return null;
      network.count++;
      if (session !== null) sessions.set(session, ofSession + 1);
      count++;
      let isHere = true;
      let endTurn = () => {};
      return {
        turn: () =>
          new Promise((resolve) => {
            const begin = () => {
              endTurn = beginTurn();
              resolve();
            };
            endTurn = () => {
              unlist(network, begin);
              if (network.waiting.size > 0) line.add(network);
            };
            network.waiting.add(begin);
            line.add(network);
            runNext();
          }),
        leave: () => {
          if (!isHere) return;
          isHere = false;
          endTurn();
          count--;
          if (--network.count === 0) networks.delete(network.name);
          if (session !== null) leaveSession(session);
        },
      };
    },
  };
}
