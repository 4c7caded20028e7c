/** How many bytes of bodies the pages' port holds at a time, in all and of one address: memory that anybody can take. */
import { networkOf } from "@codex-gateway/domain";

export type BodyBudget = {
  /** Takes bytes for as long as their request lasts; false where there are none left. */
  take(address: string, bytes: number): boolean;
  giveBack(address: string, bytes: number): void;
};

const defaultTotalBytes = 64 * 1024 * 1024;
const defaultAddressBytes = 1024 * 1024;

export function createBodyBudget({
  totalBytes = defaultTotalBytes,
  addressBytes = defaultAddressBytes,
} = {}): BodyBudget {
  const held = new Map<string, number>();
  let heldInAll = 0;
  return {
    take(address, bytes) {
      const key = networkOf(address).network;
      const own = (held.get(key) ?? 0) + bytes;
      if (own > addressBytes || heldInAll + bytes > totalBytes) return false;
      held.set(key, own);
      heldInAll += bytes;
      return true;
    },
    giveBack(address, bytes) {
      const key = networkOf(address).network;
      const left = (held.get(key) ?? 0) - bytes;
      if (left > 0) held.set(key, left);
      else held.delete(key);
      heldInAll -= bytes;
    },
  };
}
