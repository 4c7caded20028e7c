import type { SessionUser } from "@codex-gateway/api";
import { Form, NavLink } from "@remix-run/react";
import type { ReactNode } from "react";

const link = ({ isActive }: { isActive: boolean }) =>
  `rounded-md px-3 py-1.5 text-sm ${isActive ? "bg-neutral-200 font-medium dark:bg-neutral-800" : "text-neutral-600 hover:text-neutral-950 dark:text-neutral-400 dark:hover:text-white"}`;

/** The frame of every page for signed-in people. */
export function Shell({ user, title, children }: { user: SessionUser; title: string; children: ReactNode }) {
  const isAdmin = user.role !== "user";
  return (
    <>
      <header className="border-b border-neutral-200 dark:border-neutral-800">
        <nav aria-label="主导航" className="mx-auto flex max-w-5xl flex-wrap items-center gap-1 px-4 py-3">
          <span className="mr-4 font-semibold tracking-tight">Codex Gateway</span>
          <NavLink to="/api-keys" className={link}>
            API 密钥
          </NavLink>
          <NavLink to="/usage" className={link}>
            用量
          </NavLink>
          {isAdmin && (
            <>
              <NavLink to="/admin/users" className={link}>
                用户管理
              </NavLink>
              <NavLink to="/admin/settings" className={link}>
                系统设置
              </NavLink>
            </>
          )}
          <Form method="post" action="/logout" className="ml-auto flex items-center gap-3">
            <span className="text-sm text-neutral-500">{user.email}</span>
            <button className="text-sm text-neutral-600 hover:underline dark:text-neutral-400">退出登录</button>
          </Form>
        </nav>
      </header>
      <main className="mx-auto max-w-5xl px-4 py-8">
        <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
        {children}
      </main>
    </>
  );
}

/** The frame of pages for those who are not signed in. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="mx-auto max-w-md px-4 py-16">
      <p className="text-sm font-semibold tracking-tight text-emerald-700 dark:text-emerald-500">Codex Gateway</p>
      <h1 className="mt-2 text-2xl font-semibold tracking-tight">{title}</h1>
      {children}
    </main>
  );
}
