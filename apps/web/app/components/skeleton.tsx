/** What stands where a page or a list is still on its way. */
import { useLocation, useNavigation } from "@remix-run/react";
import { useEffect, useState, type ReactNode } from "react";

/** What is there by then never flickers. */
const patienceMs = 300;

/** True once `isBusy` has been true for a moment. */
function useSlow(isBusy: boolean): boolean {
  const [isSlow, setSlow] = useState(false);
  useEffect(() => {
    if (!isBusy) return;
    const timer = setTimeout(() => setSlow(true), patienceMs);
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [isBusy]);
  return isSlow;
}

/** A page, or in its place the shape of the next one where that one takes its time. */
export function PageOrSkeleton({ children }: { children: ReactNode }) {
  const { state, location: next } = useNavigation();
  const { pathname } = useLocation();
  const isSlow = useSlow(state === "loading" && next.pathname !== pathname);
  return (
    <>
      <div hidden={isSlow}>{children}</div>
      {isSlow && <PageSkeleton />}
    </>
  );
}

/** A list that another page of itself, or another filter, is about to replace says so. One too wide can be pushed. */
export function ListUntilNext({ children }: { children: ReactNode }) {
  const { state, location: next } = useNavigation();
  const { pathname, search } = useLocation();
  const isSlow = useSlow(state === "loading" && next.pathname === pathname && next.search !== search);
  return (
    <div aria-busy={isSlow} className={`overflow-x-auto ${isSlow ? "animate-pulse opacity-60" : ""}`}>
      {children}
    </div>
  );
}

const bar = "rounded-lg bg-sunken";

function PageSkeleton() {
  return (
    <div aria-hidden data-testid="skeleton" className="animate-pulse">
      <div className={`h-8 w-48 ${bar}`} />
      <div className="mt-8 space-y-4 rounded-2xl border border-line bg-surface p-5">
        {["w-1/2", "w-full", "w-5/6", "w-full", "w-2/3", "w-full"].map((width, at) => (
          <div key={at} className={`h-5 ${width} ${bar}`} />
        ))}
      </div>
    </div>
  );
}
