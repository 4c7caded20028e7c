/** The table of contents of what people can do through pages and scripts. */
import type { SessionUser } from "@codex-gateway/domain";
import { settings } from "./admin/settings.ts";
import { users } from "./admin/users.ts";
import { account } from "./account.ts";
import { alerts } from "./admin/alerts.ts";
import { codes } from "./admin/codes.ts";
import { invites } from "./admin/invites.ts";
import { logs } from "./admin/logs.ts";
import { overview } from "./admin/overview.ts";
import { prices } from "./admin/prices.ts";
import { upstreams } from "./admin/upstreams.ts";
import { auth } from "./auth.ts";
import { dashboard } from "./dashboard.ts";
import { keys } from "./keys.ts";
import { setup } from "./setup.ts";
import { createCallerFactory, router } from "./trpc.ts";
import { usage } from "./usage.ts";

export const appRouter = router({
  setup,
  auth,
  dashboard,
  keys,
  usage,
  account,
  admin: router({ overview, users, invites, codes, prices, upstreams, settings, alerts, logs }),
});

export type AppRouter = typeof appRouter;
/** Calls procedures in process, as their caller's context says who asks. */
export const createCaller = createCallerFactory(appRouter);
type Caller = ReturnType<typeof createCaller>;

/** The procedures as pages have them: called in process, as the request's own user. */
export type PageApi = {
  caller: Caller;
  user: SessionUser | null;
  /** The browser came with a session that has ended: expired, revoked, or its user suspended. */
  isSessionOver: boolean;
  /** The cookies that the calls have set; goes into the answer. */
  headers: Headers;
};
