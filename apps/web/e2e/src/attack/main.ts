/**
 * The attacker: runs the attacks that ATTACK names against one gateway, all at once, and stops by itself. The last line is
 * what each did and what it was told, as JSON, with the share of a core that it took.
 */
import { attacks } from "./attacks.ts";
import { outcomeOf, type AttackingUser, type Target } from "./attack.ts";

type Order = { target: Target; names: string[]; seconds: number };

const { target, names, seconds } = JSON.parse(process.env.ATTACK ?? "") as Order;
const startedAtMs = performance.now();
const signal = AbortSignal.timeout(seconds * 1_000);
const nobody: AttackingUser = { userId: "", email: "", password: "", apiKey: "", cookie: "" };

const reports = await Promise.all(
  attacks
    .filter(({ name }) => names.includes(name))
    .map(async ({ name, run }) => {
      const outcomes: Record<string, number> = {};
      const note = (outcome: string) => (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1);
      await run(target, target.users[name] ?? nobody, { seconds, signal, note }).catch((error: unknown) =>
        note(`ended by ${outcomeOf(error)}`),
      );
      return { name, outcomes };
    }),
);
const { user, system } = process.cpuUsage();
const coreShare = (user + system) / 1_000 / (performance.now() - startedAtMs);
console.log(JSON.stringify({ reports, coreShare }));
// Sockets that were left open on purpose end here.
process.exit(0);
