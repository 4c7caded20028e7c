/** A dialog that traps the focus and closes on Escape (Radix), in the product's looks. */
import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useFocusReturn } from "../../focus-origin";
import { useTexts } from "../../i18n/use-texts";
import { Button } from "./button";

type DialogProps = {
  title: string;
  lead?: string;
  trigger?: ReactNode;
  isOpen?: boolean;
  onOpenChange?: (isOpen: boolean) => void;
  isWide?: boolean;
  /** Shows what is shown once: only its own button closes it. */
  isKept?: boolean;
  children: ReactNode;
};

const stay = (event: Event) => event.preventDefault();
const kept = { onEscapeKeyDown: stay, onInteractOutside: stay };

export function Dialog({ title, lead, trigger, isOpen, onOpenChange, isWide, isKept, children }: DialogProps) {
  const t = useTexts();
  const returnFocus = useFocusReturn();
  return (
    <Radix.Root
      {...(isOpen === undefined ? {} : { open: isOpen })}
      {...(onOpenChange === undefined ? {} : { onOpenChange })}
    >
      {trigger && <Radix.Trigger asChild>{trigger}</Radix.Trigger>}
      <Radix.Portal>
        <Radix.Overlay className="fade fixed inset-0 z-40 bg-black/50" />
        <Radix.Content
          {...(lead ? {} : { "aria-describedby": undefined })}
          {...(isKept ? kept : {})}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            returnFocus();
          }}
          className={`fade fixed top-1/2 left-1/2 z-50 max-h-[90vh] w-[calc(100vw-2rem)] -translate-1/2 overflow-y-auto rounded-2xl border border-line bg-surface p-6 shadow-2xl ${isWide ? "max-w-2xl" : "max-w-md"}`}
        >
          <Radix.Title className="pr-8 text-lg font-semibold tracking-tight">{title}</Radix.Title>
          {lead && <Radix.Description className="mt-1.5 text-sm text-muted">{lead}</Radix.Description>}
          <div className="mt-5">{children}</div>
          {isKept ? (
            <div className="mt-6 flex justify-end">
              <Radix.Close asChild>
                <Button look="quiet">{t.people.saved}</Button>
              </Radix.Close>
            </div>
          ) : (
            <Radix.Close
              aria-label={t.common.close}
              className="absolute top-4 right-4 inline-flex size-8 items-center justify-center rounded-lg text-muted hover:bg-sunken hover:text-ink"
            >
              <X aria-hidden className="size-4" />
            </Radix.Close>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** The end of a dialog's form: the way back, and `children`, which submit it. */
export function DialogActions({ children }: { children: ReactNode }) {
  const t = useTexts();
  return (
    <div className="flex justify-end gap-2">
      <Radix.Close asChild>
        <Button look="quiet">{t.common.cancel}</Button>
      </Radix.Close>
      {children}
    </div>
  );
}
