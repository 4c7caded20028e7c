/**
 * The attacker: runs the attacks that ATTACK names against one gateway, all at once, and stops by itself. The last line is
 * what each did and what it was told, as JSON, with the share of a core that it took.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { attacks } from "./attacks.ts";
import { outcomeOf, type Attack, type AttackingUser, type Target } from "./attack.ts";

/** After the end of the round, for what was under way. */
const graceSeconds = 5;

type Report = { name: string; outcomes: Record<string, number> };
type Order = { target: Target; names: string[]; seconds: number };

const { target, names, seconds } = JSON.parse(process.env.ATTACK ?? "") as Order;
const startedAtMs = performance.now();
const signal = AbortSignal.timeout(seconds * 1_000);
const nobody: AttackingUser = { userId: "", email: "", password: "", apiKey: "", cookie: "" };

setMaxListeners(0, signal);
const chosen = attacks
  .filter(({ name }) => names.includes(name))
  .map((attack): Attack & Pick<Report, "outcomes"> => ({ ...attack, outcomes: {} }));
const running = chosen.map(({ name, run, outcomes }) => {
  const note = (outcome: string) => void (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
  return run(target, target.users[name] ?? nobody, { seconds, signal, note }).catch((error: unknown) =>
    note(`ended by ${outcomeOf(error)}`),
  );
});
// What hangs is the gateway's doing, and is told by what it has noted so far.
await Promise.race([Promise.all(running), sleep((seconds + graceSeconds) * 1_000)]);
const reports: Report[] = chosen.map(({ name, outcomes }) => ({ name, outcomes }));
const { user, system } = process.cpuUsage();
const coreShare = (user + system) / 1_000 / (performance.now() - startedAtMs);
console.log(JSON.stringify({ reports, coreShare }));
// Sockets that were left open on purpose end here.
process.exit(0);
