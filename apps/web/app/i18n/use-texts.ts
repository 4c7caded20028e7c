/** The viewer's language, time zone and theme, as the root's loader read them from cookies and the browser's wishes. */
import { useRouteLoaderData } from "@remix-run/react";
import type { Preferences } from "../preferences";
import { en } from "./en";
import { serverMessageZh } from "./server-messages";
import { zh, type Texts } from "./zh";

export const textsOf = (language: string): Texts => (language === "en" ? en : zh);

/** Where the root's own data is gone: as the page stands, so that an error is told in the language of what it replaces. */
function shownPreferences(): Preferences {
  if (typeof document === "undefined") return { language: "zh-CN", theme: "system", timeZone: "UTC" };
  const { lang, dataset } = document.documentElement;
  const { theme } = dataset;
  return {
    language: lang === "en" ? "en" : "zh-CN",
    theme: theme === "light" || theme === "dark" ? theme : "system",
    timeZone: "UTC",
  };
}

export function usePreferences(): Preferences {
  return useRouteLoaderData<{ preferences: Preferences }>("root")?.preferences ?? shownPreferences();
}

export const useTexts = (): Texts => textsOf(usePreferences().language);

/** What the server said, in the viewer's language. */
export function useServerMessage(): (message: string) => string {
  const { language } = usePreferences();
  return (message) => (language === "en" ? message : serverMessageZh(message));
}

type MetaArgs = { matches: { id: string; data?: unknown }[] };

/** A route's `meta` with its title in the viewer's language. */
export const titled =
  (title: (texts: Texts) => string) =>
  ({ matches }: MetaArgs) => {
    const root = matches.find(({ id }) => id === "root")?.data as { preferences?: Preferences } | undefined;
    return [{ title: `${title(textsOf(root?.preferences?.language ?? "zh-CN"))} · Codex Gateway` }];
  };
