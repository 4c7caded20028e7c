export { createContext, type Context, type Services, type UpstreamFault } from "./context.ts";
export { appRouter, createCaller, type AppRouter, type PageApi } from "./root.ts";
export type { SessionUser } from "@codex-gateway/domain";
export { sessionTokensOf } from "./session-cookies.ts";
export { faultOf, isFailure, retryAfterOf, translateError, type Fault } from "./trpc.ts";
