/**
 * Nobody stops anybody: all attacks at once, from one process that takes a quarter of a core, while honest people call, look
 * at pages and log in. ISOLATION_SECONDS makes it longer and its limits sharper; ATTACKS names some of the attacks, and
 * ISOLATION_EACH runs each alone, in a gateway of its own.
 */
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { attacks } from "./attack/attacks.ts";
import { runAttacks, startAttackedGateway, type AttackedGateway, type AttackReport } from "./attacked-gateway.ts";
import { breachesIn } from "./database-of.ts";
import { liveHonestly, type HonestFigures } from "./honest-clients.ts";
import { watchProcess, type Watched } from "./process-figures.ts";

const shortSeconds = 12;
const seconds = Number(process.env.ISOLATION_SECONDS ?? shortSeconds);
const isLong = seconds > shortSeconds;
const wanted = process.env.ATTACKS?.split(",").map((name) => name.trim());
const names = attacks.map(({ name }) => name).filter((name) => wanted?.includes(name) ?? true);
const rounds = process.env.ISOLATION_EACH
  ? names.map((name) => ({ what: name, attacking: [name] }))
  : [{ what: `${names.length} attacks at once`, attacking: names }];

/**
 * The short form is one of many tests on a machine that has more to do: it looks for what fails, stands still or grows without
 * end. The long form has the limits that are promised; docs/security.md says which of them are not reached yet.
 */
const limits = isLong
  ? { p50Factor: 2, p50SlackMs: 5, p99AddedMs: 150, logInMs: 2_000 }
  : { p50Factor: 8, p50SlackMs: 50, p99AddedMs: 5_000, logInMs: 4_000 };
/** Where other processes leave the gateway less than half of what it wants, its times say nothing of it. */
const maxStarvedShare = 0.5;
const maxGrowthBytes = (isLong ? 256 : 512) * 1024 * 1024;
const maxAttackerCores = 0.35;
const settledWithinMs = 60_000;
const costNanoUsd = 4_800n;

let gateway: AttackedGateway | null = null;
const unread: Socket[] = [];
afterEach(async () => {
  for (const socket of unread.splice(0)) socket.destroy();
  await gateway?.stop();
  gateway = null;
});

type Phase = { figures: HonestFigures; watched: Watched };

async function livePhase(attacked: AttackedGateway, attackers: string[], forSeconds: number): Promise<Phase> {
  const watch = watchProcess(attacked.pid);
  const figures = await liveHonestly(attacked, attackers, forSeconds);
  return { figures, watched: watch.stop() };
}

/** Half a head, and nothing read: what is to stop must not wait for it. */
function openUnreadSocket({ api }: AttackedGateway): void {
  const socket = connect({ port: Number(new URL(api).port), host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.pause().write("POST /v1/chat/completions HTTP/1.1\r\nhost: ");
  unread.push(socket);
}

const percent = (share: number) => `${Math.round(share * 100)} %`;
const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;

function printTable(quiet: Phase, attacked: Phase, { reports, coreShare }: AttackReport): void {
  const lines = reports.map(({ name, outcomes }) => {
    const told = Object.entries(outcomes).map(([outcome, count]) => `${outcome} × ${count}`);
    return `  ${name.padEnd(24)}${told.join(", ") || "nothing"}`;
  });
  const row = (name: string, { figures, watched }: Phase) => {
    const times = (["whole", "streamed", "pages", "logIns", "probes", "direct"] as const).map((kind) => {
      const { count, p50Ms, p99Ms, maxMs } = figures[kind];
      return `${kind} ${p50Ms}/${p99Ms}/${maxMs} (${count})`;
    });
    return `  ${name.padEnd(9)}${times.join("  ")}  ${mib(watched.maxResidentBytes)}, ${watched.maxSockets} sockets, ${percent(watched.coreShare)} of a core, starved ${percent(watched.starvedShare)}`;
  };
  console.log(
    [
      `Attacker: ${percent(coreShare)} of a core`,
      ...lines,
      "Honest, p50/p99/max ms (count):",
      row("quiet", quiet),
      row("attacked", attacked),
      `  failures ${JSON.stringify(attacked.figures.failures)}`,
    ].join("\n"),
  );
}

function expectUnharmed(quiet: Phase, attacked: Phase): void {
  expect.soft(attacked.figures.failures, "what failed of the honest").toEqual({});
  // Other work of the machine slows the upstream's own answers down as well, and keeps cores from the gateway: that much
  // is not the gateway's doing.
  const stretch = 1 / (1 - attacked.watched.starvedShare);
  const slower = (share: "p50Ms" | "p99Ms" | "maxMs") =>
    Math.max(0, attacked.figures.direct[share] - quiet.figures.direct[share]);
  const grown = attacked.watched.maxResidentBytes - quiet.watched.maxResidentBytes;
  expect.soft(grown, "bytes of memory more than before").toBeLessThan(maxGrowthBytes);
  if (quiet.watched.starvedShare > maxStarvedShare) {
    console.warn("The gateway had no core most of the time, also before the attack: its times are not judged.");
    return;
  }
  for (const kind of ["whole", "streamed"] as const) {
    const [before, during] = [quiet.figures[kind], attacked.figures[kind]];
    const mostP50Ms = (before.p50Ms * limits.p50Factor + limits.p50SlackMs) * stretch + slower("p50Ms");
    expect.soft(during.p50Ms, `p50 of ${kind} calls`).toBeLessThan(mostP50Ms);
    const mostP99Ms = (before.p99Ms + limits.p99AddedMs) * stretch + slower("p99Ms");
    expect.soft(during.p99Ms, `p99 of ${kind} calls`).toBeLessThan(mostP99Ms);
  }
  const longestLogInMs = (quiet.figures.logIns.maxMs + limits.logInMs) * stretch + slower("maxMs");
  expect.soft(attacked.figures.logIns.maxMs, "the longest log-in").toBeLessThan(longestLogInMs);
}

/** Everything that was held is given back, every honest call was charged once and exactly, and the books are sound. */
async function expectSoundBooks({ installation: { db }, honest }: AttackedGateway, honestCalls: number): Promise<void> {
  const openHolds = () => db.prisma.hold.count({ where: { state: "open" } });
  await expect.poll(openHolds, { timeout: settledWithinMs, interval: 250 }).toBe(0);
  const { id } = await db.prisma.account.findFirstOrThrow({ where: { userId: honest.userId } });
  const charges = await db.prisma.charge.findMany({
    where: { accountId: id },
    select: { costNanoUsd: true, basis: true },
  });
  expect(charges.filter((charge) => charge.costNanoUsd !== costNanoUsd || charge.basis !== "exact")).toEqual([]);
  expect(charges).toHaveLength(honestCalls);
  expect(await breachesIn(db)).toEqual([]);
}

test.skipIf(process.platform !== "linux").each(rounds)(
  "honest people notice nothing of $what",
  async ({ attacking }) => {
    gateway = await startAttackedGateway();
    const { child } = gateway.installation.gateway;
    const target = await gateway.target(attacking);
    const attackers = Object.values(target.users).map(({ userId }) => userId);
    const warm = await livePhase(gateway, attackers, 3);
    const quiet = await livePhase(gateway, attackers, isLong ? 10 : 4);
    openUnreadSocket(gateway);
    const [report, attacked] = await Promise.all([
      runAttacks(target, attacking, seconds),
      livePhase(gateway, attackers, seconds),
    ]);
    printTable(quiet, attacked, report);

    expect(
      { code: child.exitCode, signal: child.signalCode },
      gateway.installation.gateway.output().slice(-2_000),
    ).toEqual({
      code: null,
      signal: null,
    });
    expectUnharmed(quiet, attacked);
    const bugs = report.reports.filter(({ outcomes }) =>
      Object.keys(outcomes).some((outcome) => /\b500\b/.test(outcome)),
    );
    expect.soft(bugs, "attacks that were answered with 500").toEqual([]);
    expect.soft(report.coreShare, "the attacker's cores").toBeLessThan(maxAttackerCores);
    const honestCalls = [warm, quiet, attacked].flatMap(({ figures }) => [figures.whole.count, figures.streamed.count]);
    await expectSoundBooks(
      gateway,
      honestCalls.reduce((sum, count) => sum + count, 0),
    );

    const { gateway: stopping } = gateway.installation;
    const code = await gateway.stop();
    gateway = null;
    expect(code, `exit code; null where it did not stop by itself: ${stopping.output().slice(-1_000)}`).toBe(0);
  },
  (seconds + 150) * 1_000,
);
