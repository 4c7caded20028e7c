/** What the server hands to every loader and action; the pages know the domain only through it. */
import type { AppCaller } from "@codex-gateway/api";

declare module "@remix-run/node" {
  interface AppLoadContext {
    /** The tRPC procedures in process, acting for whoever sent this request. */
    api: AppCaller;
    /** Set-Cookie headers of a login or logout, to be added to the answer. */
    cookies: string[];
    /** For the Content-Security-Policy of this page. */
    nonce: string;
    /** The metered /v1 proxy: one call, one answer, one charge. */
    proxy: (request: Request) => Promise<Response>;
  }
}
