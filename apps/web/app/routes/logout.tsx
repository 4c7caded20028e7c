import { redirect, type ActionFunctionArgs } from "@remix-run/node";

import { keepForm } from "../keep-form";

export const clientAction = keepForm;
export const loader = () => redirect("/");

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await context.api(request);
  await caller.auth.logout();
  return redirect("/login", { headers });
}
