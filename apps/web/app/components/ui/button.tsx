import { Link, useNavigation, type LinkProps } from "@remix-run/react";
import { LoaderCircle } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { useReadOnly } from "../read-only";

const base =
  "inline-flex items-center justify-center gap-2 rounded-lg text-sm font-medium whitespace-nowrap transition-colors disabled:opacity-60";

const looks = {
  primary: "h-9 bg-accent px-4 text-on-accent hover:bg-accent-strong",
  quiet: "h-9 border border-line-strong bg-surface px-4 text-ink hover:bg-sunken",
  danger: "h-9 border border-line-strong bg-surface px-4 text-danger hover:bg-danger-soft",
  icon: "size-9 text-muted hover:bg-sunken hover:text-ink",
};

export type Look = keyof typeof looks;

type ButtonProps = ComponentProps<"button"> & { look?: Look; children: ReactNode };

export function Button({ look = "primary", className = "", type = "button", children, ...rest }: ButtonProps) {
  return (
    <button type={type} className={`${base} ${looks[look]} ${className}`} {...rest}>
      {children}
    </button>
  );
}

/** Opens or does what changes something: not there for who may change nothing. */
export const ChangeButton = (props: ButtonProps) => (useReadOnly() ? null : <Button {...props} />);

/** Shows that its form is under way and cannot be pressed twice; not there for who may change nothing. `intent` tells several buttons of one form apart. */
export function Submit({ look = "primary", children, intent, ...rest }: ButtonProps & { intent?: string }) {
  const isReadOnly = useReadOnly();
  const { state, formData } = useNavigation();
  const isBusy = state !== "idle" && formData !== undefined;
  const isMine = isBusy && (intent === undefined || formData.get("intent") === intent);
  if (isReadOnly) return null;
  return (
    <Button
      type="submit"
      look={look}
      disabled={isBusy}
      {...(intent === undefined ? {} : { name: "intent", value: intent })}
      {...rest}
    >
      {isMine && look !== "icon" && <LoaderCircle aria-hidden className="size-4 animate-spin" />}
      {children}
    </Button>
  );
}

export function LinkButton({ look = "primary", className = "", ...rest }: LinkProps & { look?: Look }) {
  return <Link className={`${base} ${looks[look]} ${className}`} {...rest} />;
}
