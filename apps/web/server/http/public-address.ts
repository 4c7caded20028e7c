/** Where people and programs find the gateway: what the operator says, else the address that the page was opened at. */
import type { WebClient } from "./web-bridge.ts";

export type PublicAddress = {
  /** An origin. */
  pageUrl(client: Pick<WebClient, "host" | "isHttps">): string;
  /** The origin of links that others are to open; `setting` is what the settings say, empty where they do not. */
  linkUrl(client: Pick<WebClient, "host" | "isHttps"> | null, setting: string): string;
  /** Ends in /v1. */
  apiUrl(client: Pick<WebClient, "host" | "isHttps">): string;
};

type Options = {
  /** PUBLIC_URL and API_URL, where they are set. */
  configured: { page: string | undefined; api: string | undefined };
  ports: { web: number; api: number };
};

export function createPublicAddress({ configured, ports }: Options): PublicAddress {
  const own = () => `http://localhost:${ports.web}`;
  const pageUrl: PublicAddress["pageUrl"] = ({ host, isHttps }) => configured.page ?? originOf(host, isHttps) ?? own();
  return {
    pageUrl,
    linkUrl: (client, setting) => {
      if (configured.page !== undefined) return configured.page;
      // What was confirmed on the gateway's own machine leads nowhere from another one.
      if (setting !== "" && !(client && isLoopback(setting))) return setting;
      return client ? pageUrl(client) : own();
    },
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

const isLoopback = (origin: string): boolean =>
  URL.canParse(origin) && /^(?:localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname);
