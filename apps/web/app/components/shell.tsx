/** The frames: one for people who are signed in, one for those who are not. */
import type { SessionUser } from "@codex-gateway/api";
import { Link, NavLink, useFetcher, useLocation, useNavigation } from "@remix-run/react";
import {
  Activity,
  ChartNoAxesColumn,
  CircleDollarSign,
  Gauge,
  KeyRound,
  LogOut,
  Menu,
  ScrollText,
  Server,
  Settings,
  Tags,
  Ticket,
  UserRound,
  Users,
  type LucideIcon,
} from "lucide-react";
import type { ReactNode } from "react";
import { useTexts } from "../i18n/use-texts";
import { readsAdministration } from "../roles";
import { LanguageSwitch, ThemeSwitch } from "./preference-forms";
import { PageOrSkeleton } from "./skeleton";

type Item = { to: string; icon: LucideIcon; label: string; isExact?: boolean };

export function Shell({ user, children }: { user: SessionUser; children: ReactNode }) {
  const t = useTexts();
  const { pathname } = useLocation();
  // Beside the page: where no answer comes, the page stays.
  const logout = useFetcher<{ fault?: { message: string } | null }>();
  const mine: Item[] = [
    { to: "/dashboard", icon: Gauge, label: t.nav.dashboard },
    { to: "/api-keys", icon: KeyRound, label: t.nav.keys },
    { to: "/usage", icon: ChartNoAxesColumn, label: t.nav.usage },
    { to: "/account", icon: UserRound, label: t.nav.account },
  ];
  const admin: Item[] = [
    { to: "/admin", icon: Activity, label: t.nav.overview, isExact: true },
    { to: "/admin/users", icon: Users, label: t.nav.users },
    { to: "/admin/codes", icon: Ticket, label: t.nav.codes },
    { to: "/admin/prices", icon: Tags, label: t.nav.prices },
    { to: "/admin/upstreams", icon: Server, label: t.nav.upstreams },
    { to: "/admin/settings", icon: Settings, label: t.nav.settings },
    { to: "/admin/logs", icon: ScrollText, label: t.nav.logs },
  ];
  const groups: { name?: string; items: Item[] }[] = readsAdministration(user.role)
    ? [
        { name: t.nav.admin, items: admin },
        { name: t.nav.mine, items: mine },
      ]
    : [{ items: mine }];
  const nav = (
    <nav aria-label={t.nav.main} className="space-y-6">
      {groups.map(({ name, items }) => (
        <div key={name ?? ""}>
          {name && <p className="mb-1.5 px-3 text-xs font-medium text-muted">{name}</p>}
          <ul className="space-y-0.5">
            {items.map(({ to, icon: Icon, label, isExact = false }) => (
              <li key={to}>
                <NavLink
                  to={to}
                  end={isExact}
                  prefetch="intent"
                  className={({ isActive }) =>
                    `flex items-center gap-2.5 rounded-lg px-3 py-2 text-sm ${isActive ? "bg-sunken font-medium text-ink" : "text-muted hover:bg-sunken hover:text-ink"}`
                  }
                >
                  <Icon aria-hidden className="size-4" />
                  {label}
                </NavLink>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
  const foot = (
    <div className="space-y-2 border-t border-line pt-4">
      <p className="truncate px-3 text-sm text-muted" title={user.email}>
        {user.email}
      </p>
      <div className="flex items-center justify-between px-1">
        <div className="flex">
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
        <logout.Form method="post" action="/logout">
          <button
            className="inline-flex h-8 items-center rounded-lg px-2 text-muted hover:bg-sunken hover:text-ink"
            aria-label={t.nav.logout}
            title={t.nav.logout}
          >
            <LogOut aria-hidden className="size-4" />
          </button>
        </logout.Form>
      </div>
      {logout.data?.fault && (
        <p role="alert" className="px-3 text-sm text-danger">
          {logout.data.fault.message}
        </p>
      )}
    </div>
  );
  return (
    <div className="min-h-screen lg:grid lg:grid-cols-[15rem_minmax(0,1fr)]">
      <Loading />
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-lg focus:bg-surface focus:px-3 focus:py-2"
      >
        {t.nav.skip}
      </a>
      <aside className="sticky top-0 hidden h-screen flex-col justify-between overflow-y-auto border-r border-line bg-surface p-4 lg:flex">
        <div>
          <Brand />
          <div className="mt-6">{nav}</div>
        </div>
        {foot}
      </aside>
      <header className="relative border-b border-line bg-surface lg:hidden">
        {/* Beside what opens the menu, and not within it: one thing to press does one thing. */}
        <div className="absolute top-3.5 left-4">
          <Brand />
        </div>
        {/* A new page closes the menu: its key changes with the address. */}
        <details key={pathname} className="group">
          <summary className="ml-auto flex w-fit list-none px-4 py-3 [&::-webkit-details-marker]:hidden">
            <span className="inline-flex size-9 items-center justify-center rounded-lg text-muted">
              <Menu aria-hidden className="size-5" />
              <span className="sr-only">{t.nav.menu}</span>
            </span>
          </summary>
          <div className="space-y-4 px-4 pb-4">
            {nav}
            {foot}
          </div>
        </details>
      </header>
      <main id="content" className="mx-auto w-full max-w-6xl px-4 py-8 sm:px-8">
        <PageOrSkeleton>{children}</PageOrSkeleton>
      </main>
    </div>
  );
}

/** While the next page is fetched: a bar at the top that shows only after a moment, so that quick pages do not flicker. */
function Loading() {
  const t = useTexts();
  const { state } = useNavigation();
  if (state === "idle") return null;
  return (
    <div role="status" className="loading fixed inset-x-0 top-0 z-50 h-0.5 overflow-hidden">
      <span className="sr-only">{t.common.loading}</span>
      <div aria-hidden className="h-full w-1/3 bg-accent" />
    </div>
  );
}

export function Brand() {
  return (
    <Link to="/" className="inline-flex items-center gap-2.5 rounded-lg px-1 font-semibold tracking-tight">
      <span className="flex size-7 items-center justify-center rounded-lg bg-accent text-on-accent">
        <CircleDollarSign aria-hidden className="size-4" />
      </span>
      Codex Gateway
    </Link>
  );
}

/** The frame of pages for those who are not signed in. */
export function Card({
  title,
  lead,
  isWide = false,
  children,
}: {
  title: string;
  lead?: string;
  isWide?: boolean;
  children: ReactNode;
}) {
  return (
    <div className="flex min-h-screen flex-col">
      <header className="flex items-center justify-between px-4 py-4 sm:px-6">
        <Brand />
        <div className="flex">
          <LanguageSwitch />
          <ThemeSwitch />
        </div>
      </header>
      <main className={`mx-auto w-full flex-1 px-4 py-8 sm:py-14 ${isWide ? "max-w-lg" : "max-w-sm"}`}>
        <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
        {lead && <p className="mt-1.5 text-sm text-muted">{lead}</p>}
        {children}
      </main>
    </div>
  );
}
