// npm run restore -- FILE: reads a backup into an empty database and proves its books.
import { runBeside } from "./pnpm.mjs";

runBeside("apps/web/dist/cli/restore.js");
