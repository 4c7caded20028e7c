import { RemixBrowser } from "@remix-run/react";
import { startTransition, StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { createConnection } from "./connection";
import { ConnectionContext } from "./connection-context";

const connection = createConnection(window.fetch.bind(window), window);
window.fetch = connection.fetch;

startTransition(() => {
  hydrateRoot(
    document,
    <StrictMode>
      <ConnectionContext.Provider value={connection}>
        <RemixBrowser />
      </ConnectionContext.Provider>
    </StrictMode>,
  );
});
