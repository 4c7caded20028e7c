import latinFont from "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2?url";
import type { LinksFunction, LoaderFunctionArgs } from "@remix-run/node";
import { Links, Meta, Outlet, Scripts, ScrollRestoration } from "@remix-run/react";
import { useEffect, type ReactNode } from "react";
import { ErrorPage } from "./components/error-page";
import { LostConnection } from "./components/lost-connection";
import { usePreferences } from "./i18n/use-texts";
import { useNonce } from "./nonce";
import { readPreferences, rememberTimeZone } from "./preferences";
import "./styles.css";

/** The one file of the typeface that every page needs; without it the first text would be set twice. */
export const links: LinksFunction = () => [
  { rel: "preload", href: latinFont, as: "font", type: "font/woff2", crossOrigin: "anonymous" },
];

export const loader = ({ request }: LoaderFunctionArgs) => ({ preferences: readPreferences(request) });

export function Layout({ children }: { children: ReactNode }) {
  const nonce = useNonce();
  const { language, theme } = usePreferences();
  return (
    <html lang={language} data-theme={theme}>
      <head>
        <meta charSet="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <Meta />
        <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
        <Links />
      </head>
      <body className="min-h-screen font-sans antialiased">
        {children}
        <LostConnection />
        <ScrollRestoration nonce={nonce} />
        <Scripts nonce={nonce} />
      </body>
    </html>
  );
}

export default function App() {
  const { timeZone } = usePreferences();
  useEffect(() => {
    rememberTimeZone(timeZone);
  }, [timeZone]);
  return <Outlet />;
}

export const ErrorBoundary = ErrorPage;
