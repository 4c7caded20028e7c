import { createContext, useContext } from "react";

/** The page's Content-Security-Policy nonce on the server; empty in the browser, which no longer needs it. */
export const NonceContext = createContext("");
export const useNonce = () => useContext(NonceContext);
