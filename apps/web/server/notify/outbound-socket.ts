/**
 * Connects to hosts that an admin names. Where private addresses are not allowed it is the address that is connected to
 * which counts, not the name: a public name may lead into the operator's own network, and elsewhere the next time.
 */
import { lookup as resolve, type LookupAddress } from "node:dns";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { isPublicAddress } from "@codex-gateway/domain";

export type OutboundTarget = { host: string; port: number; isPrivateAllowed: boolean };

class PrivateAddressError extends Error {
  override readonly name = "PrivateAddressError";
  readonly code = "PRIVATE_ADDRESS";
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

/** `signal` ends the connecting, not the connection. `host` may be an IPv6 address in brackets. @throws Error whose `code` says why; `PRIVATE_ADDRESS` before anything is sent */
export function connectTo({ host, port, isPrivateAllowed }: OutboundTarget, signal: AbortSignal): Promise<Socket> {
  const name = host.replace(/^\[|\]$/g, "");
  // An address is connected to without being looked up.
  if (!isPrivateAllowed && isIP(name) !== 0 && !isPublicAddress(name)) return Promise.reject(refusal(host));
  return new Promise((done, fail) => {
    const socket = connect({ host: name, port, ...(isPrivateAllowed ? {} : { lookup: publicLookup }) });
    const giveUp = () => socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", giveUp, { once: true });
    // Stays for good: an error between two users of the socket must not be nobody's.
    socket.on("error", fail);
    socket.once("close", () => fail(new Error("The connection was closed.")));
    socket.once("connect", () => {
      signal.removeEventListener("abort", giveUp);
      if (isPrivateAllowed || isPublicAddress(socket.remoteAddress ?? "")) done(socket);
      else socket.destroy(refusal(host));
    });
  });
}
