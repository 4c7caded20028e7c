/**
 * Memory for whole answers. A large one that finds no room waits, with its connection stopped, and does not fail: its
 * upstream has billed it already. Of a user's, of an upstream's and of all answers, the one that has been under way for
 * longest never waits, so that there is always one that gets on and gives its room to the next.
 */
import type { Budgets } from "../budgets.ts";

export type AnswerShare = {
  /** Null: there is room. Otherwise resolves as soon as there is. */
  take(bytes: number): Promise<void> | null;
  /** Gives all of it back; the second time it does nothing. */
  release(): void;
};

export type AnswerBudget = {
  open(party: { userId: string; upstreamId: string }): AnswerShare;
  takenBytes(): number;
};

type Entry = { bytes: number; groups: Group[]; waits: { bytes: number; resolve: () => void } | null };
type Group = { name: string; limit: number; bytes: number; entries: Set<Entry> };

export function createAnswerBudget({ answerBytes }: Budgets): AnswerBudget {
  const groups = new Map<string, Group>();

  function groupOf(name: string, limit: number): Group {
    let group = groups.get(name);
    if (!group) groups.set(name, (group = { name, limit, bytes: 0, entries: new Set() }));
    return group;
  }

  function hasRoom(entry: Entry, bytes: number): boolean {
    return entry.groups.every((group) => {
      const [oldest] = group.entries;
      return oldest === entry || group.bytes + bytes <= group.limit;
    });
  }

  function give(entry: Entry, bytes: number): void {
    entry.bytes += bytes;
    for (const group of entry.groups) group.bytes += bytes;
  }

  function wakeAll(entries: Iterable<Entry>): void {
    for (const entry of entries) {
      const { waits } = entry;
      if (!waits || !hasRoom(entry, waits.bytes)) continue;
      entry.waits = null;
      give(entry, waits.bytes);
      waits.resolve();
    }
  }

  return {
    open: ({ userId, upstreamId }) => {
      const entry: Entry = {
        bytes: 0,
        groups: [
          groupOf(`user ${userId}`, answerBytes.perUser),
          groupOf(`upstream ${upstreamId}`, answerBytes.perUpstream),
          groupOf("all", answerBytes.inAll),
        ],
        waits: null,
      };
      for (const group of entry.groups) group.entries.add(entry);
      let isOpen = true;
      return {
        take: (bytes) => {
          if (!isOpen) return null;
          if (hasRoom(entry, bytes)) {
            give(entry, bytes);
            return null;
          }
          return new Promise((resolve) => {
            entry.waits = { bytes, resolve };
          });
        },
        release: () => {
          if (!isOpen) return;
          isOpen = false;
          entry.waits?.resolve();
          for (const group of entry.groups) {
            group.bytes -= entry.bytes;
            group.entries.delete(entry);
            if (group.entries.size === 0) groups.delete(group.name);
          }
          // All that wait are in it.
          wakeAll(groups.get("all")?.entries ?? []);
        },
      };
    },
    takenBytes: () => groups.get("all")?.bytes ?? 0,
  };
}
