/**
 * Connects to upstreams. Where private addresses are not allowed, it is the address that is connected to which counts,
 * not the name: a public name may resolve to an address of the operator's own network.
 */
import { lookup as resolve, type LookupAddress } from "node:dns";
import { lookup as resolveAll } from "node:dns/promises";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";

/** The upstream's name leads to an address of a private network, or it is plain http. */
class PrivateAddressError extends Error {
  override readonly name = "PrivateAddressError";
  readonly code = "PRIVATE_ADDRESS";
}

/** What is not for the public internet (https://www.iana.org/assignments/iana-ipv4-special-registry). */
const specialIpv4 = blockListOf("ipv4", [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);
const globalIpv6 = blockListOf("ipv6", ["2000::/3"]);
/** Documentation, and what carries an IPv4 address that would have to be looked at again. */
const specialIpv6 = blockListOf("ipv6", ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]);

function blockListOf(family: "ipv4" | "ipv6", networks: string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** false for what is no address, and for IPv4 within IPv6. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !specialIpv4.check(address, "ipv4");
  return isIP(address) === 6 && globalIpv6.check(address, "ipv6") && !specialIpv6.check(address, "ipv6");
}

const refusal = (host: string) => new PrivateAddressError(`${host} is no public address.`);

const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error: NodeJS.ErrnoException | null, addresses?: LookupAddress[]) => {
    const [first] = addresses ?? [];
    if (error || !addresses || !first) callback(error ?? refusal(hostname), "", 0);
    // One that is not public is enough: which of them gets connected is not ours to say.
    else if (!addresses.every(({ address }) => isPublicAddress(address))) callback(refusal(hostname), "", 0);
    else if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

/**
 * For what a proxy connects to: the name's addresses as far as they are known here. A name that only the proxy can look up
 * is the proxy's to judge. @throws PrivateAddressError
 */
export async function requirePublicTarget({ protocol, hostname }: URL): Promise<void> {
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol !== "https:") throw refusal(host);
  const found = isIP(host) === 0 ? await resolveAll(host, { all: true }).catch(() => []) : [{ address: host }];
  if (!found.every(({ address }) => isPublicAddress(address))) throw refusal(host);
}

/** `allowsPrivate` also allows plain http. */
export function createConnector(timeoutMs: number, allowsPrivate: boolean): buildConnector.connector {
  if (allowsPrivate) return buildConnector({ timeout: timeoutMs });
  const connect = buildConnector({ timeout: timeoutMs, lookup: publicLookup });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, "");
    // An address is connected to without being looked up.
    const isRefused = options.protocol !== "https:" || (isIP(host) !== 0 && !isPublicAddress(host));
    if (isRefused) callback(refusal(host), null);
    else connect(options, callback);
  };
}
