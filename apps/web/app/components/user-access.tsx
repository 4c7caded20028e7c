/** What an admin does with somebody's way in: role, password, second factor, sessions; and taking the user away. */
import { Form } from "@remix-run/react";
import type { ReactNode } from "react";
import type { Fault } from "../guards";
import { exactUsd, useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { grantableRoles } from "../roles";
import { Changes, useReadOnly } from "./read-only";
import { SecretLink } from "./secret-link";
import { Button, Submit } from "./ui/button";
import { Dialog, DialogActions } from "./ui/dialog";
import { Field, FormFault, Select } from "./ui/field";
import { Section } from "./ui/page";

type ManagedUser = {
  id: string;
  email: string;
  role: "owner" | "admin" | "viewer" | "user";
  balanceUsd: string;
  hasPassword: boolean;
  hasTwoFactors: boolean;
  sessionCount: number;
};
export type AccessDialog = "remove-two-factors" | "delete";
/** A link for a new password, which is shown once. */
export type NewLink = { url: string; expiresAt: Date | string };

type Props = {
  user: ManagedUser;
  /** Who looks: nobody changes their own role here. */
  isOwn: boolean;
  fault: Fault | null;
  onAsk: (dialog: AccessDialog) => void;
};

export function UserAccess({ user, isOwn, fault, onAsk }: Props) {
  const t = useTexts();
  const format = useFormat();
  const canChange = user.role !== "owner" || isOwn;
  return (
    <Section title={t.people.access} lead={t.people.accessLead}>
      <FormFault fault={fault} />
      <ul className="divide-y divide-line text-sm">
        <Fact name={t.people.role} value={t.people.roles[user.role]}>
          {user.role !== "owner" && !isOwn && <RoleForm role={user.role} error={fault?.fields.role} />}
        </Fact>
        <Fact name={t.people.passwordState} value={user.hasPassword ? t.people.hasPassword : t.people.noPassword}>
          {canChange && <Act intent="reset" label={t.people.makeResetLink} />}
        </Fact>
        <Fact name={t.people.twoFactors} value={user.hasTwoFactors ? t.people.on : t.people.off}>
          {canChange && !isOwn && user.hasTwoFactors && (
            <Button look="quiet" onClick={() => onAsk("remove-two-factors")}>
              {t.people.removeTwoFactors}
            </Button>
          )}
        </Fact>
        <Fact name={t.account.sessions} value={t.people.sessionCount(format.count(user.sessionCount))}>
          {canChange && !isOwn && user.sessionCount > 0 && <Act intent="end-sessions" label={t.people.endSessions} />}
        </Fact>
      </ul>
    </Section>
  );
}

function Fact({ name, value, children }: { name: string; value: string; children?: ReactNode }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3 first:pt-0 last:pb-0">
      <div className="min-w-0">
        <p className="text-muted">{name}</p>
        <p className="mt-0.5 font-medium">{value}</p>
      </div>
      <Changes>{children}</Changes>
    </li>
  );
}

function RoleForm({ role, error }: { role: string; error: string | undefined }) {
  const t = useTexts();
  return (
    <Form method="post" className="flex items-end gap-2">
      <Select name="role" label={t.people.changeRole} isLabelHidden defaultValue={role} key={role} error={error}>
        {grantableRoles.toReversed().map((each) => (
          <option key={each} value={each}>
            {t.people.roles[each]}
          </option>
        ))}
      </Select>
      <Submit look="quiet" intent="role">
        {t.people.changeRole}
      </Submit>
    </Form>
  );
}

function Act({ intent, label }: { intent: string; label: string }) {
  return (
    <Form method="post">
      <Submit look="quiet" intent={intent}>
        {label}
      </Submit>
    </Form>
  );
}

/** Stays until its reader says that they have it. */
export function ResetLinkDialog({
  link,
  email,
  onClose,
}: {
  link: NewLink | null;
  email: string;
  onClose: () => void;
}) {
  const t = useTexts();
  if (!link) return null;
  return (
    <Dialog title={t.people.resetTitle} lead={t.people.resetLead(email)} isOpen onOpenChange={onClose} isKept>
      <SecretLink url={link.url} expiresAt={link.expiresAt} />
    </Dialog>
  );
}

type DialogsProps = { asked: AccessDialog | null; user: ManagedUser; fault: Fault | null; onClose: () => void };

export function AccessDialogs({ asked, user, fault, onClose }: DialogsProps) {
  const t = useTexts();
  if (asked === null) return null;
  if (asked === "remove-two-factors") {
    return (
      <Dialog title={t.people.removeTitle} lead={t.people.removeLead} isOpen onOpenChange={onClose}>
        <Form method="post" className="space-y-5">
          <FormFault fault={fault} />
          <DialogActions>
            <Submit look="danger" intent="remove-two-factors">
              {t.people.removeTwoFactors}
            </Submit>
          </DialogActions>
        </Form>
      </Dialog>
    );
  }
  const hasBalance = /[1-9]/.test(user.balanceUsd) && !user.balanceUsd.startsWith("-");
  return (
    <Dialog title={t.people.deleteUser} lead={t.people.deleteLead} isOpen onOpenChange={onClose}>
      <Form method="post" className="space-y-5">
        <FormFault fault={fault} />
        {hasBalance && <p className="text-sm text-danger">{t.people.deleteBalance(exactUsd(user.balanceUsd))}</p>}
        <Field
          name="email"
          label={t.people.deleteConfirm(user.email)}
          type="email"
          autoComplete="off"
          required
          error={fault?.fields.email}
        />
        <DialogActions>
          <Submit look="danger" intent="delete">
            {t.people.deleteUser}
          </Submit>
        </DialogActions>
      </Form>
    </Dialog>
  );
}

export function DeleteUser({ onAsk }: { onAsk: (dialog: AccessDialog) => void }) {
  const t = useTexts();
  const isReadOnly = useReadOnly();
  if (isReadOnly) return null;
  return (
    <Section title={t.people.deleteUser} lead={t.people.deleteLead}>
      <Button look="danger" onClick={() => onAsk("delete")}>
        {t.people.deleteUser}
      </Button>
    </Section>
  );
}
