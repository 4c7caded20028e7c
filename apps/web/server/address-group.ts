/** Tells which addresses are one client's: a network hands out an IPv4 address, but a whole /64 of IPv6. */
import { isIP } from "node:net";
import { plainAddress } from "@codex-gateway/domain";

const groupsOfPrefix = 4;
const groupsOfAddress = 8;

/** Returns the IPv4 address, also of an IPv6 address that maps one, or the /64 of any other IPv6 address. */
export function addressGroup(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [text = ""] = plain.split("%");
  const [head = "", tail] = text.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail ? tail.split(":") : [];
  // "::" stands for as many zeros as are missing.
  const zeros = tail === undefined ? 0 : Math.max(0, groupsOfAddress - first.length - last.length);
  const groups = [...first, ...Array<string>(zeros).fill("0"), ...last];
  const prefix = groups.slice(0, groupsOfPrefix).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(":")}::/64`;
}
