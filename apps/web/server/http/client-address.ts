/**
 * Who a request comes from. What it says itself of that counts only where a trusted proxy hands it on: anybody can send
 * X-Forwarded-For, and the proxies add what they saw at its end.
 */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { networksOf, plainAddress } from "@codex-gateway/domain";

export type ClientAddress = {
  /** The client's address; "" where its connection is gone. */
  of(req: IncomingMessage): string;
  /** The host that the client asked for, with its port. */
  hostOf(req: IncomingMessage): string;
  /** Whether the client came by TLS, as far as is known: this process itself speaks plain http. */
  isHttpsOf(req: IncomingMessage): boolean;
  /** Whether the other end of a connection is a proxy. */
  isProxy(address: string): boolean;
};

/** @throws Error with one sentence where an entry is no address and no network */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = networksOf("TRUSTED_PROXIES", trustedProxies);
  const peerOf = (req: IncomingMessage) => plainAddress(req.socket.remoteAddress ?? "");
  return {
    of: (req) => {
      let address = peerOf(req);
      const forwarded = req.headers["x-forwarded-for"];
      if (forwarded === undefined) return address;
      const hops = textOf(forwarded).split(",");
      while (trusted.has(address)) {
        const hop = readHop(hops.pop() ?? "");
        if (hop === null) break;
        address = hop;
      }
      return address;
    },
    hostOf: (req) => {
      const forwarded = textOf(req.headers["x-forwarded-host"]).split(",")[0]?.trim();
      return (trusted.has(peerOf(req)) && forwarded) || (req.headers.host ?? "");
    },
    isHttpsOf: (req) => {
      const forwarded = textOf(req.headers["x-forwarded-proto"]).split(",")[0]?.trim().toLowerCase();
      return trusted.has(peerOf(req)) && forwarded === "https";
    },
    isProxy: (address) => trusted.has(address),
  };
}

const withPort = /^(?:\[([^\]]+)\](?::\d{1,5})?|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5})$/;
const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/** An address as proxies write it: with a port or none, IPv6 in brackets or not, in any spelling; null where it is none. */
function readHop(text: string): string | null {
  const trimmed = text.trim().replace(/^"(.*)"$/, "$1");
  const [, bracketed, dotted] = withPort.exec(trimmed) ?? [];
  const address = plainAddress((bracketed ?? dotted ?? trimmed).replace(/%.*$/, ""));
  if (isIP(address) !== 6) return isIP(address) === 4 ? address : null;
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = mapped.exec(plain) ?? [];
  if (high === undefined || low === undefined) return plain;
  const [a, b] = [parseInt(high, 16), parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

const textOf = (header: string | string[] | undefined): string => [header ?? []].flat().join(",");
