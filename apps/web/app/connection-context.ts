/** The connection as pages see it; on the server it is never lost. */
import { createContext, useContext, useSyncExternalStore } from "react";
import type { Connection } from "./connection";

export const ConnectionContext = createContext<Pick<Connection, "isLost" | "subscribe">>({
  isLost: () => false,
  subscribe: () => () => undefined,
});

export function useConnectionLost(): boolean {
  const { isLost, subscribe } = useContext(ConnectionContext);
  return useSyncExternalStore(subscribe, isLost, () => false);
}
