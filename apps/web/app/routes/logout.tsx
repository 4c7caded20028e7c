import { redirect, type ActionFunctionArgs } from "@remix-run/node";

export const loader = () => redirect("/");

export async function action({ request, context }: ActionFunctionArgs) {
  const { caller, headers } = await context.api(request);
  await caller.auth.logout();
  return redirect("/login", { headers });
}
