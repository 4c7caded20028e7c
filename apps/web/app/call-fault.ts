/** Why one of the browser's own calls failed, as a form shows it. */
import type { AppRouter } from "@codex-gateway/api";
import type { TRPCClientErrorLike } from "@trpc/client";
import type { Fault } from "./guards";
import { useTexts } from "./i18n/use-texts";

/** An error without data comes from no server: the call did not get there. */
export function useCallFault(): (error: TRPCClientErrorLike<AppRouter> | null) => Fault | null {
  const t = useTexts();
  return (error) =>
    error && { message: error.data ? error.message : t.errors.unreachable, fields: error.data?.fields ?? {} };
}
