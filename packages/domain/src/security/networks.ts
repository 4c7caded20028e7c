/** Lists of addresses and networks (CIDR), for whoever is let in by where they come from. */
import { BlockList, isIP } from "node:net";

export type Networks = { has(address: string): boolean };

/** IPv4 as such, also where a socket tells it within IPv6. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Whether it is an address, or a network such as 10.0.0.0/8. */
export function isNetwork(entry: string): boolean {
  const [address = "", bits, ...more] = entry.split("/");
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return most > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
}

/** @throws Error with one sentence that names the list where an entry is no address and no network */
export function networksOf(listName: string, entries: readonly string[]): Networks {
  const listed = new BlockList();
  for (const entry of entries) {
    if (!isNetwork(entry)) throw new Error(`${listName} names ${entry}, which is no address or network.`);
    const [address = "", bits] = entry.split("/");
    if (bits === undefined) listed.addAddress(address, familyOf(address));
    else listed.addSubnet(address, Number(bits), familyOf(address));
  }
  return {
    has: (text) => {
      const address = plainAddress(text);
      return isIP(address) !== 0 && listed.check(address, familyOf(address));
    },
  };
}
