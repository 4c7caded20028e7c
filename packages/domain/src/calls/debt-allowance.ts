/**
 * What calls that run may come to owe: so much each, and so much together for one account. Counted in this process from the
 * refusal of more money to the settlement; what is owed then stands in the books.
 */
import type { HeldCall } from "./hold-call.ts";

type Limits = { perCallNanoUsd: bigint; perAccountNanoUsd: bigint };

type DebtAllowance = {
  /** Returns what the call may come to owe, nano-USD; asked again, the same. */
  open(held: HeldCall): bigint;
  /** The call is settled. */
  close(id: string): void;
};

export function createDebtAllowance(readLimits: () => Limits): DebtAllowance {
  const allowed = new Map<string, { accountId: string; nanoUsd: bigint }>();

  return {
    open: ({ call: { id, accountId } }) => {
      const before = allowed.get(id);
      if (before) return before.nanoUsd;
      const { perCallNanoUsd, perAccountNanoUsd } = readLimits();
      let left = perAccountNanoUsd;
      for (const each of allowed.values()) if (each.accountId === accountId) left -= each.nanoUsd;
      const nanoUsd = left <= 0n ? 0n : left < perCallNanoUsd ? left : perCallNanoUsd;
      allowed.set(id, { accountId, nanoUsd });
      return nanoUsd;
    },
    close: (id) => void allowed.delete(id),
  };
}
