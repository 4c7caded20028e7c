/** Language and theme: plain forms, so that they work before JavaScript has loaded. */
import { Form, useLocation } from "@remix-run/react";
import { Languages, MonitorCog, Moon, Sun } from "lucide-react";
import { usePreferences, useTexts } from "../i18n/use-texts";

const quiet = "inline-flex h-8 items-center gap-1.5 rounded-lg px-2 text-sm text-muted hover:bg-sunken hover:text-ink";

function useHere(): string {
  const { pathname, search } = useLocation();
  return pathname + search;
}

export function LanguageSwitch() {
  const { language } = usePreferences();
  const here = useHere();
  const other = language === "en" ? { value: "zh-CN", name: "中文" } : { value: "en", name: "English" };
  return (
    <Form method="post" action="/preferences" reloadDocument>
      <input type="hidden" name="next" value={here} />
      <button name="language" value={other.value} className={quiet} lang={other.value}>
        <Languages aria-hidden className="size-4" />
        {other.name}
      </button>
    </Form>
  );
}

const next = { system: "light", light: "dark", dark: "system" } as const;
const icons = { system: MonitorCog, light: Sun, dark: Moon };

export function ThemeSwitch() {
  const t = useTexts();
  const { theme } = usePreferences();
  const here = useHere();
  const Icon = icons[theme];
  const label = `${t.nav.theme}: ${t.nav.themes[theme]}`;
  return (
    <Form method="post" action="/preferences" reloadDocument>
      <input type="hidden" name="next" value={here} />
      <button name="theme" value={next[theme]} className={quiet} aria-label={label} title={label}>
        <Icon aria-hidden className="size-4" />
      </button>
    </Form>
  );
}
