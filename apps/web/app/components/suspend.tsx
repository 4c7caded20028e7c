/** Suspending asks first; without JavaScript the form goes at once, and its toast takes it back all the same. */
import { Form } from "@remix-run/react";
import { Pause, Play } from "lucide-react";
import type { FormEvent } from "react";
import { useTexts } from "../i18n/use-texts";
import { Submit } from "./ui/button";
import { Dialog, DialogActions } from "./ui/dialog";
import { Toast } from "./ui/toast";

export type Suspendable = { id: string; email: string; status: "active" | "suspended" };

type ButtonProps = { user: Suspendable; onAsk: (user: Suspendable) => void; isIcon?: boolean };

/** Activates at once; asks before it suspends. */
export function SuspendButton({ user, onAsk, isIcon = false }: ButtonProps) {
  const t = useTexts();
  const isActive = user.status === "active";
  const label = (isActive ? t.users.suspendOf : t.users.activateOf)(user.email);
  const Icon = isActive ? Pause : Play;
  const ask = (event: FormEvent) => {
    if (!isActive) return;
    event.preventDefault();
    onAsk(user);
  };
  return (
    <Form method="post" onSubmit={ask}>
      <SuspendFields user={user} />
      <Submit
        look={isIcon ? "icon" : isActive ? "danger" : "quiet"}
        intent={isActive ? "suspend" : "activate"}
        {...(isIcon ? { "aria-label": label, title: label } : {})}
      >
        {isIcon ? <Icon aria-hidden className="size-4" /> : isActive ? t.users.suspend : t.users.activate}
      </Submit>
    </Form>
  );
}

function SuspendFields({ user: { id, email } }: { user: Pick<Suspendable, "id" | "email"> }) {
  return (
    <>
      <input type="hidden" name="userId" value={id} />
      <input type="hidden" name="email" value={email} />
    </>
  );
}

export function SuspendDialog({ user, onClose }: { user: Suspendable | null; onClose: () => void }) {
  const t = useTexts();
  if (!user) return null;
  return (
    <Dialog title={t.people.suspendTitle} lead={t.people.suspendLead(user.email)} isOpen onOpenChange={onClose}>
      <Form method="post">
        <SuspendFields user={user} />
        <DialogActions>
          <Submit look="danger" intent="suspend">
            {t.users.suspend}
          </Submit>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

type ToastProps = { of: object; intent: string; user: Pick<Suspendable, "id" | "email"> };

/** What was done, and the way back. */
export function SuspendToast({ of, intent, user }: ToastProps) {
  const t = useTexts();
  const isSuspended = intent === "suspend";
  return (
    <Toast of={of} text={(isSuspended ? t.users.suspendDone : t.users.activateDone)(user.email)}>
      {isSuspended && (
        <Form method="post" className="shrink-0">
          <SuspendFields user={user} />
          <Submit look="quiet" intent="activate">
            {t.people.undo}
          </Submit>
        </Form>
      )}
    </Toast>
  );
}
