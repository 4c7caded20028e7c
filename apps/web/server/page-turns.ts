/**
 * Shares out the processor among those who ask for pages and procedures, so that a burst of one network is a line of its own
 * and not everybody's: what is asked at once would be worked at at once, with each call of `/v1` behind all of it. Networks
 * take turns; who waits for a database, a hash or a reader takes nothing of the processor, and has its turn no longer than
 * `maxTurnMs`.
 */
import { addressGroup } from "./address-group.ts";

export type PageTurns = {
  /** Counts a request that has come in; null where its network has too many already, and it is refused at once. */
  enter(address: string): PageRequest | null;
};

export type PageRequest = {
  /** Resolves when the request may be worked at. */
  turn(): Promise<void>;
  /** The request is over; the second time it does nothing. */
  leave(): void;
};

type Limits = { maxRunning: number; maxPerNetwork: number; maxInAll: number; maxTurnMs: number };

const maxRunning = 8;
/** Under way or waiting. */
const maxPerNetwork = 128;
const maxInAll = 2_048;
const maxTurnMs = 100;

type Network = { name: string; count: number; waiting: Set<() => void> };

export function createPageTurns(given: Partial<Limits> = {}): PageTurns {
  const limits = { maxRunning, maxPerNetwork, maxInAll, maxTurnMs, ...given };
  const networks = new Map<string, Network>();
  /** Those with somebody waiting; the one whose turn was longest ago comes first. */
  const line = new Set<Network>();
  let count = 0;
  let running = 0;

  function networkOf(address: string): Network {
    const name = addressGroup(address);
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
    enter(address) {
      const network = networkOf(address);
      if (network.count >= limits.maxPerNetwork || count >= limits.maxInAll) return null;
      network.count++;
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
        },
      };
    },
  };
}
