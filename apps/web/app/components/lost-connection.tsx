/** Says that the connection is gone, while a page is asked for in vain; it goes away by itself. */
import { WifiOff } from "lucide-react";
import { useConnectionLost } from "../connection-context";
import { useTexts } from "../i18n/use-texts";

export function LostConnection() {
  const t = useTexts();
  const isLost = useConnectionLost();
  return (
    <div role="status" className="pointer-events-none fixed inset-x-0 bottom-4 z-50 flex justify-center px-4">
      {isLost && (
        <p className="flex items-center gap-2.5 rounded-lg border border-line-strong bg-surface px-4 py-2.5 text-sm text-ink shadow-lg">
          <WifiOff aria-hidden className="size-4 text-warn" />
          {t.errors.reconnecting}
        </p>
      )}
    </div>
  );
}
