/** Leads everybody to where they belong. */
import { redirect, type LoaderFunctionArgs } from "@remix-run/node";
import { homeOf } from "../guards";

export async function loader({ request, context }: LoaderFunctionArgs) {
  const { caller, user, headers } = await context.api(request);
  if (user) return redirect(homeOf(user), { headers });
  const { needsSetup } = await caller.setup.status();
  return redirect(needsSetup ? "/setup" : "/login", { headers });
}
