/** What the server hands to every loader and action; the pages know the domain only through it. */
import "@remix-run/node";
import type { Fault, PageApi } from "@codex-gateway/api";

declare module "@remix-run/node" {
  interface AppLoadContext {
    /** For the Content-Security-Policy of this page. */
    nonce: string;
    /** The metered /v1 proxy: one call, one answer, one charge. */
    proxy: (request: Request) => Promise<Response>;
    api: (request: Request) => Promise<PageApi>;
    /** Where OpenAI clients are pointed, as seen from where the page was opened; ends in /v1. */
    apiUrl: () => string;
    /** Where browsers find the pages: the origin that the operator says, else the one that the page was opened at. */
    pageUrl: () => string;
    /** Of a request that was refused before any route was asked; null where it was not. */
    refusedStatus: number | null;
    /** What a person can mend, or null for a bug. */
    faultOf: (error: unknown) => Fault | null;
  }
}
