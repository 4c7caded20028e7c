/**
 * Language and theme: plain forms, so that they work before JavaScript has loaded. Afterwards they are sent beside the page,
 * which stays where it is with what was typed into it.
 */
import { useFetcher, useLocation } from "@remix-run/react";
import { Languages, MonitorCog, Moon, Sun } from "lucide-react";
import type { ReactNode } from "react";
import { usePreferences, useTexts } from "../i18n/use-texts";

const quiet = "inline-flex h-8 items-center gap-1.5 rounded-lg px-2 text-sm text-muted hover:bg-sunken hover:text-ink";

type PreferenceFormProps = { name: "language" | "theme"; value: string; children: ReactNode };

function PreferenceForm({ name, value, children }: PreferenceFormProps) {
  const { pathname, search } = useLocation();
  const fetcher = useFetcher();
  return (
    <fetcher.Form
      method="post"
      action="/preferences"
      onSubmit={(event) => {
        event.preventDefault();
        fetcher.submit({ [name]: value, stay: "" }, { method: "post", action: "/preferences" });
      }}
    >
      <input type="hidden" name="next" value={pathname + search} />
      <input type="hidden" name={name} value={value} />
      {children}
    </fetcher.Form>
  );
}

export function LanguageSwitch() {
  const { language } = usePreferences();
  const other = language === "en" ? { value: "zh-CN", name: "中文" } : { value: "en", name: "English" };
  return (
    <PreferenceForm name="language" value={other.value}>
      <button className={quiet} lang={other.value}>
        <Languages aria-hidden className="size-4" />
        {other.name}
      </button>
    </PreferenceForm>
  );
}

const next = { system: "light", light: "dark", dark: "system" } as const;
const icons = { system: MonitorCog, light: Sun, dark: Moon };

export function ThemeSwitch() {
  const t = useTexts();
  const { theme } = usePreferences();
  const Icon = icons[theme];
  const label = `${t.nav.theme}: ${t.nav.themes[theme]}`;
  return (
    <PreferenceForm name="theme" value={next[theme]}>
      <button className={quiet} aria-label={label} title={label}>
        <Icon aria-hidden className="size-4" />
      </button>
    </PreferenceForm>
  );
}
