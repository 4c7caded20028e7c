/** E-mail address and password, of a log-in or of a registration. */
import type { Fault } from "../guards";
import { useTexts } from "../i18n/use-texts";
import { Field } from "./ui/field";

type Props = { email: string | undefined; fault: Fault | null | undefined; isNew?: boolean };

export function CredentialFields({ email, fault, isNew = false }: Props) {
  const t = useTexts();
  return (
    <>
      <Field
        name="email"
        label={t.common.email}
        type="email"
        autoComplete="username"
        defaultValue={email}
        required
        error={fault?.fields.email}
      />
      <Field
        name="password"
        label={t.common.password}
        type="password"
        autoComplete={isNew ? "new-password" : "current-password"}
        required
        minLength={isNew ? 8 : undefined}
        hint={isNew ? t.register.passwordHint : undefined}
        error={fault?.fields.password}
      />
    </>
  );
}
