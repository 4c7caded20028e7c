// npm run lint, typecheck, test:unit, test:integration, test:e2e: one step of npm test, after what it needs. What follows -- is
// handed on: npm run test:unit -- packages/gateway/src/transport/sse.test.ts
import { requireNode } from "./pnpm.mjs";
import { runNamed, steps } from "./steps.mjs";

requireNode();
const [name, ...moreArgs] = process.argv.slice(2);
runNamed([...steps[name].needs, name], moreArgs);
