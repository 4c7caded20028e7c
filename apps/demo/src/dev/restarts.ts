/** Restarts the server when its sources change, in this process: what the change does not touch is not read again. */
import type { ViteDevServer } from "vite";
import type { Running } from "@codex-gateway/web/server/boot/start.ts";

/** Sources of the server, under the repository's root; pages are Vite's own matter. */
const serverSource = /^(apps\/web\/server|packages\/[^/]+\/src|prisma\/migrations)\/.+\.(ts|sql)$/;
const isTest = /\.test\.ts$|\/testing\//;
/** An editor, or git, writes several files in a row. */
const gatherMs = 20;

export type Restarts = {
  /** Resolves with the server when the first start is through. */
  first: Promise<Running>;
  /** Ends the server that runs. */
  stop(): Promise<void>;
};

export type RestartOptions = {
  vite: ViteDevServer;
  rootFolder: string;
  /** Loads the server's sources, and returns the function that starts it. */
  load: () => Promise<() => Promise<Running>>;
  /** Tells what came of a restart. */
  say: (sentence: string) => void;
};

export function keepRestarting({ vite, rootFolder, load, say }: RestartOptions): Restarts {
  let running: Running | null = null;
  let isStopping = false;
  const changed = new Set<string>();
  const first = load().then(async (start) => (running = await start()));
  let turn: Promise<unknown> = first.catch(() => undefined);

  async function restart(): Promise<void> {
    if (isStopping || changed.size === 0) return;
    const startedAtMs = performance.now();
    const files = [...changed];
    changed.clear();
    for (const file of files) vite.environments.ssr.moduleGraph.onFileChange(file);
    try {
      // Read first: a server that works is not ended for one that cannot be read.
      const start = await load();
      await running?.stop();
      running = null;
      running = await start();
      vite.ws.send({ type: "full-reload" });
      say(`Restarted in ${Math.round(performance.now() - startedAtMs)} ms (${namesOf(files, rootFolder)}).`);
    } catch (error) {
      say(`${(error as Error).stack ?? String(error)}\n\nThe next change tries again.`);
    }
  }

  vite.watcher.on("all", (_event, file) => {
    const name = file.slice(rootFolder.length);
    if (!file.startsWith(rootFolder) || !serverSource.test(name) || isTest.test(name)) return;
    changed.add(file);
    setTimeout(() => {
      turn = turn.then(restart);
    }, gatherMs);
  });

  return {
    first,
    stop: async () => {
      isStopping = true;
      await turn;
      await running?.stop();
    },
  };
}

function namesOf(files: string[], rootFolder: string): string {
  const [first = "", ...more] = files.map((file) => file.slice(rootFolder.length));
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}
