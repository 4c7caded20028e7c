/** Where the gateway may be sent by an admin: public hosts over TLS, unless a setting allows private ones. */
import { AppError } from "../app-error.ts";

/** Loopback, private and link-local names and numbers. */
const privateHost =
  /^(localhost|.*\.(local|internal|localhost)|127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|0\.|\[(::1|f[cd]|fe80|::ffff:))/i;

export const isPrivateHost = (hostname: string): boolean => privateHost.test(hostname);

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
