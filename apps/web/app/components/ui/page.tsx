/** What pages are put together from: heading, section, figures, empty state, pager. */
import { Link, useSearchParams } from "@remix-run/react";
import { ArrowLeft, ChevronLeft, ChevronRight, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useFormat } from "../../i18n/format";
import { useTexts } from "../../i18n/use-texts";
import { ListUntilNext } from "../skeleton";

type PageHeadProps = {
  title: string;
  lead?: string;
  /** The list that the page belongs to. */
  back?: { to: string; label: string };
  /** Where what it holds belongs to all of a long page. */
  isSticky?: boolean;
  children?: ReactNode;
};

export function PageHead({ title, lead, back, isSticky = false, children }: PageHeadProps) {
  const place = isSticky ? "sticky top-0 z-20 -mx-4 -mt-4 -mb-4 bg-canvas px-4 py-4 sm:-mx-8 sm:px-8" : "mb-6";
  return (
    <header className={`${place} flex flex-wrap items-end justify-between gap-x-6 gap-y-3`}>
      <div className="min-w-0">
        {back && (
          <Link to={back.to} className="mb-3 inline-flex items-center gap-1.5 text-sm text-muted hover:text-ink">
            <ArrowLeft aria-hidden className="size-4" />
            {back.label}
          </Link>
        )}
        <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
        {lead && <p className="mt-1.5 max-w-2xl text-sm text-muted">{lead}</p>}
      </div>
      {children && <div className="flex flex-wrap items-center gap-2">{children}</div>}
    </header>
  );
}

/** A titled part of a page; `isFlush` for tables, which bring their own padding. */
export function Section({
  title,
  lead,
  actions,
  isFlush = false,
  children,
}: {
  title?: string;
  lead?: string;
  actions?: ReactNode;
  isFlush?: boolean;
  children: ReactNode;
}) {
  return (
    <section className="mt-6 overflow-hidden rounded-2xl border border-line bg-surface">
      {title && (
        <div className="flex flex-wrap items-center justify-between gap-3 px-5 pt-5">
          <div>
            <h2 className="font-semibold tracking-tight">{title}</h2>
            {lead && <p className="mt-1 text-sm text-muted">{lead}</p>}
          </div>
          {actions}
        </div>
      )}
      <div className={isFlush ? (title ? "mt-3" : "") : "p-5"}>
        {isFlush ? <ListUntilNext>{children}</ListUntilNext> : children}
      </div>
    </section>
  );
}

export type Figure = { label: string; value: string; note?: string | undefined; title?: string; action?: ReactNode };

/** Figures side by side, divided by hairlines. */
export function Figures({ figures }: { figures: Figure[] }) {
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-2xl border border-line bg-line lg:grid-cols-4">
      {figures.map(({ label, value, note, title, action }) => (
        <div key={label} className="bg-surface p-4 sm:p-5">
          <dt className="text-sm text-muted">{label}</dt>
          <dd className="mt-2 flex flex-wrap items-center justify-between gap-2">
            <span className="text-xl font-semibold tracking-tight tabular-nums sm:text-2xl" title={title}>
              {value}
            </span>
            {action}
          </dd>
          {note && <dd className="mt-1 text-sm text-muted tabular-nums">{note}</dd>}
        </div>
      ))}
    </dl>
  );
}

export function Empty({
  icon: Icon,
  title,
  lead,
  children,
}: {
  icon: LucideIcon;
  title: string;
  lead: string;
  children?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      <span className="flex size-11 items-center justify-center rounded-full bg-sunken text-muted">
        <Icon aria-hidden className="size-5" />
      </span>
      <p className="mt-4 font-medium">{title}</p>
      <p className="mt-1 max-w-sm text-sm text-muted">{lead}</p>
      {children && <div className="mt-5">{children}</div>}
    </div>
  );
}

const badgeLooks = {
  good: "bg-accent-soft text-accent-strong",
  bad: "bg-danger-soft text-danger",
  plain: "bg-sunken text-muted",
};

export function Badge({ look, children }: { look: keyof typeof badgeLooks; children: ReactNode }) {
  return (
    <span
      className={`inline-flex items-center rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap ${badgeLooks[look]}`}
    >
      {children}
    </span>
  );
}

/** Which page a list shows, and how many rows it has. */
export type Paging = { page: number; pageSize: number; total: number };

/** `1 2 3 … 10`; the other search parameters stay. */
export function Pager({ page, pageSize, total }: Paging) {
  const t = useTexts();
  const { count } = useFormat();
  const [params] = useSearchParams();
  const last = Math.max(1, Math.ceil(total / pageSize));
  const to = (target: number) => {
    const next = new URLSearchParams(params);
    next.set("page", String(target));
    return `?${next}`;
  };
  const shown = [...new Set([1, page - 1, page, page + 1, last])].filter((each) => each >= 1 && each <= last);
  const step =
    "inline-flex h-8 min-w-8 items-center justify-center rounded-lg px-2 text-sm tabular-nums text-muted hover:bg-sunken hover:text-ink";
  return (
    <nav
      aria-label={t.common.pages}
      className="flex flex-wrap items-center justify-between gap-3 border-t border-line px-5 py-3 text-sm text-muted"
    >
      <span className="tabular-nums">{t.common.total(count(total))}</span>
      {last > 1 && (
        <ol className="flex items-center gap-1">
          {page > 1 && (
            <li>
              <Link to={to(page - 1)} className={step} aria-label={t.common.previous}>
                <ChevronLeft aria-hidden className="size-4" />
              </Link>
            </li>
          )}
          {shown.map((each, at) => (
            <li key={each} className="flex items-center gap-1">
              {at > 0 && each - (shown[at - 1] ?? 0) > 1 && <span aria-hidden>…</span>}
              <Link
                to={to(each)}
                aria-label={t.common.page(each)}
                aria-current={each === page ? "page" : undefined}
                className={each === page ? `${step} bg-sunken font-medium !text-ink` : step}
              >
                {each}
              </Link>
            </li>
          ))}
          {page < last && (
            <li>
              <Link to={to(page + 1)} className={step} aria-label={t.common.next}>
                <ChevronRight aria-hidden className="size-4" />
              </Link>
            </li>
          )}
        </ol>
      )}
    </nav>
  );
}

/** The page that an address asks for; the first one where it asks for none that there can be. */
export function pageOf(request: Request): number {
  const page = Number(new URL(request.url).searchParams.get("page") ?? 1);
  return Number.isSafeInteger(page) && page >= 1 && page <= 40_000 ? page : 1;
}
