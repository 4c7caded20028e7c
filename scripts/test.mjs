// npm test: installs what is missing, then format, lint, what is unused, types, unit tests, build, integration tests and e2e, in that order; the
// first failure ends the run.
import { requireNode } from "./pnpm.mjs";
import { runNamed, steps } from "./steps.mjs";

requireNode();
runNamed(Object.keys(steps));
