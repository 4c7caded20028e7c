// npm run restore -- FILE: reads a backup into an empty database and proves its books.
import { runBuilt } from "./pnpm.mjs";

runBuilt("apps/web/dist/restore.js", { isBeside: true });
