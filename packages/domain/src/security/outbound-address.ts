/** Where the gateway may be sent by an admin: public hosts over TLS, unless a setting allows private ones. */
import { isIP } from "node:net";
import { AppError } from "../app-error.ts";
import { networksOf } from "./networks.ts";

/** What is not for the public internet (https://www.iana.org/assignments/iana-ipv4-special-registry). */
const specialIpv4 = networksOf("IPv4", [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"],
  ...["192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"],
  ...["224.0.0.0/4", "240.0.0.0/4"],
]);
const globalIpv6 = networksOf("IPv6", ["2000::/3"]);
/** Within it: documentation, and what carries an IPv4 address that would have to be looked at again. */
const specialIpv6 = networksOf("IPv6", ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]);

/** False for what is no address, and for IPv4 within IPv6. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !specialIpv4.has(address);
  return isIP(address) === 6 && globalIpv6.has(address) && !specialIpv6.has(address);
}

/** Names that lead to this machine or its network wherever they are looked up. */
const privateName = /(?:^|\.)(?:localhost|local|internal|home\.arpa)\.?$/i;

/** By what the name itself says: where it leads is known only once it is connected to. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? privateName.test(host) : !isPublicAddress(host);
}

/** For http(s) addresses. @throws AppError `invalid_input` at `field` where it is private or without TLS, and may not be */
export function requireAllowedAddress(
  url: URL,
  { isPrivateAllowed, field }: { isPrivateAllowed: boolean; field: string },
): void {
  if (isPrivateAllowed || (url.protocol === "https:" && !isPrivateHost(url.hostname))) return;
  throw new AppError(
    "invalid_input",
    "The address must be public and start with https; a setting allows private ones.",
    field,
  );
}
