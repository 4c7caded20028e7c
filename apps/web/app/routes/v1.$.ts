/** The dedicated resource route of the metered proxy: the same gateway that port 8080 serves, on the pages' address. */
import type { ActionFunctionArgs, LoaderFunctionArgs } from "@remix-run/node";

export const loader = ({ request, context }: LoaderFunctionArgs) => context.proxy(request);
export const action = ({ request, context }: ActionFunctionArgs) => context.proxy(request);
