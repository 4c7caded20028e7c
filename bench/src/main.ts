/** npm run bench: compares this gateway with peers, or, with --against REVISION, this build with that one. */
import { compareAgainst } from "./against.ts";
import { readOptions } from "./options.ts";
import { comparePeers } from "./peers.ts";

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  await (options.against === null ? comparePeers(options) : compareAgainst(options.against, options));
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(`The benchmark failed: ${(error as Error).message}`);
    process.exit(1);
  },
);
