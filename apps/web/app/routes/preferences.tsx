import { pathWithinSite } from "@codex-gateway/domain/checks";
import { data, redirect, type ActionFunctionArgs } from "@remix-run/node";
import { textOf } from "../guards";
import { keepForm } from "../keep-form";
import { preferenceCookie } from "../preferences";

export const clientAction = keepForm;

export const loader = () => redirect("/");

/** Keeps a language or a theme and leads back to where it was chosen. */
export async function action({ request }: ActionFunctionArgs) {
  const form = await request.formData();
  const headers = new Headers();
  const language = textOf(form, "language");
  const theme = textOf(form, "theme");
  if (language === "en" || language === "zh-CN") headers.append("set-cookie", preferenceCookie("language", language));
  if (theme === "system" || theme === "light" || theme === "dark") {
    headers.append("set-cookie", preferenceCookie("theme", theme));
  }
  if (!headers.has("set-cookie")) throw new Response("Bad request", { status: 400 });
  // The page at hand stays as it is, with what was typed into it.
  if (form.has("stay")) return data({ fault: null }, { headers });
  return redirect(pathWithinSite(textOf(form, "next")) ?? "/", { headers });
}
