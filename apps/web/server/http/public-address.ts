/** Where people and programs find the gateway: what the operator says, else the address that the page was opened at. */
import type { WebClient } from "./web-bridge.ts";

export type PublicAddress = {
  /** An origin. */
  pageUrl(client: Pick<WebClient, "host" | "isHttps">): string;
  /** Ends in /v1. */
  apiUrl(client: Pick<WebClient, "host" | "isHttps">): string;
};

type Options = {
  /** PUBLIC_URL and API_URL, where they are set. */
  configured: { page: string | undefined; api: string | undefined };
  ports: { web: number; api: number };
};

export function createPublicAddress({ configured, ports }: Options): PublicAddress {
  const pageUrl: PublicAddress["pageUrl"] = ({ host, isHttps }) =>
    configured.page ?? originOf(host, isHttps) ?? `http://localhost:${ports.web}`;
  return {
    pageUrl,
    apiUrl: (client) => {
      if (configured.api !== undefined) return configured.api;
      const page = pageUrl(client);
      const { protocol, hostname, port } = new URL(page);
      // The API's own port is known to be reached only where the pages' own port is; else the /v1 of the pages is.
      const isOwnPort = configured.page !== undefined || Number(port || 80) === ports.web;
      return protocol === "http:" && isOwnPort ? `http://${hostname}:${ports.api}/v1` : `${page}/v1`;
    },
  };
}

const hostAndPort = /^(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/** Null where a client names no host, or one that would not stand well in a command. */
function originOf(host: string, isHttps: boolean): string | null {
  const url = `${isHttps ? "https" : "http"}://${host}`;
  return hostAndPort.test(host) && URL.canParse(url) ? new URL(url).origin : null;
}
