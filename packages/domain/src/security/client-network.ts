/** The network that a client's address counts as: nobody gets a fresh start, or another share, by taking their next address. */
import { isIP } from "node:net";
import { plainAddress } from "./networks.ts";

export type ClientNetwork = {
  /** An IPv4 address, or the /64 that one customer has at least of IPv6. */
  network: string;
  /** The /48 that one customer may have of IPv6; null for IPv4. */
  site: string | null;
};

/** IPv4 within IPv6, by mapping (RFC 4291) or translation (RFC 6052), counts as IPv4. */
export function networkOf(address: string): ClientNetwork {
  const plain = plainAddress(address.replace(/%.*$/, ""));
  if (isIP(plain) !== 6) return { network: plain, site: null };
  const groups = groupsOf(plain);
  const start = groups.slice(0, 6).join(":");
  if (start === "0:0:0:0:0:ffff" || start === "64:ff9b:0:0:0:0") {
    const bytes = groups.slice(6).flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 255];
    });
    return { network: bytes.join("."), site: null };
  }
  return { network: `${groups.slice(0, 4).join(":")}::/64`, site: `${groups.slice(0, 3).join(":")}::/48` };
}

/** The eight groups, without leading zeros and in lower case, as a URL's host is written. */
function groupsOf(address: string): string[] {
  const written = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = [], tail] = written.split("::").map((part) => (part === "" ? [] : part.split(":")));
  if (tail === undefined) return head;
  return [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
}
