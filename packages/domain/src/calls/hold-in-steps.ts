/**
 * Holds for a call in steps, from the strictest ceiling of its input to the fairest. Whoever can afford the strict one gets
 * it: it costs microseconds. Only where the money is too short the input is counted, and what the provider fetches or runs
 * itself is taken at a usual size instead of the model's whole context. What goes beyond is charged all the same, as a debt.
 */
import { holdCall, type BoundedCall, type CallRefusal, type HeldCall } from "./hold-call.ts";

type HoldParts = Parameters<typeof holdCall>[0] & {
  /** What one thing that the provider fetches or finds comes to, in tokens, where the whole context cannot be afforded. */
  remoteInputTokens: number;
};

type CallToHold = BoundedCall & {
  /** Counts the input that the body carries; null: it cannot be counted now. Asked at most once. */
  countInputTokens: () => Promise<number | null>;
};

/** Where they are the reason, less would do. */
const isForMoney: ReadonlySet<CallRefusal["refused"]> = new Set([
  "credit_balance_exhausted",
  "project_spend_limit_exceeded",
]);

export async function holdInSteps(
  { remoteInputTokens, ...parts }: HoldParts,
  { countInputTokens, ...call }: CallToHold,
): Promise<HeldCall | CallRefusal> {
  const strict = await holdCall({ ...parts, ledger: allOrNothing(parts.ledger) }, call);
  if (!isShort(strict)) return strict;
  const counted = await countInputTokens();
  const inputTokens = counted === null ? call.bound.inputTokens : Math.min(counted, call.bound.inputTokens);
  const usual = { ...call, bound: fairBound(call.bound, { inputTokens, remoteInputTokens }) };
  if (call.bound.hostedCalls <= 1) return holdCall(parts, usual);
  const first = await holdCall({ ...parts, ledger: allOrNothing(parts.ledger) }, usual);
  if (!isShort(first)) return first;
  return holdCall(parts, { ...call, bound: fairBound(withOneCall(call.bound), { inputTokens, remoteInputTokens }) });
}

const isShort = (outcome: HeldCall | CallRefusal): boolean => "refused" in outcome && isForMoney.has(outcome.refused);

const allOrNothing = (ledger: HoldParts["ledger"]): HoldParts["ledger"] => ({
  hold: (order) => ledger.hold({ ...order, minAmountNanoUsd: null }),
});

/** The input of the body as it was counted, and a usual size of all that comes to it; nothing is left to the context then. */
function fairBound(
  bound: BoundedCall["bound"],
  { inputTokens, remoteInputTokens }: { inputTokens: number; remoteInputTokens: number },
): BoundedCall["bound"] {
  const remote = (bound.remoteInputs + bound.hostedCalls) * remoteInputTokens;
  return { ...bound, inputTokens: inputTokens + remote, remoteInputs: 0, hostedCalls: 0 };
}

/** One call of the tools that there are: what most answers need. A container is paid for as a whole. */
function withOneCall(bound: BoundedCall["bound"]): BoundedCall["bound"] {
  const hosted = Object.fromEntries(
    Object.entries(bound.hosted).map(([unitClass, units]) => [
      unitClass,
      unitClass.endsWith("_call") ? Math.min(units ?? 0, 1) : units,
    ]),
  );
  return { ...bound, hosted, hostedCalls: 1 };
}
