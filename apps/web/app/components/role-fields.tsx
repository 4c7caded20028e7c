/** A role that can be given, with what it may do. */
import { grantableRoles, type GrantableRole } from "../roles";
import { useTexts } from "../i18n/use-texts";

export function RoleFields({ chosen }: { chosen: GrantableRole }) {
  const t = useTexts();
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium">{t.people.role}</legend>
      <div className="divide-y divide-line overflow-hidden rounded-lg border border-line-strong">
        {grantableRoles.toReversed().map((role) => (
          <label key={role} className="flex items-start gap-3 bg-surface px-3.5 py-2.5 text-sm has-checked:bg-sunken">
            <input
              type="radio"
              name="role"
              value={role}
              defaultChecked={role === chosen}
              className="mt-0.5 size-4 shrink-0 accent-accent"
            />
            <span>
              <span className="font-medium">{t.people.roles[role]}</span>
              <span className="block text-muted">{t.people.roleHints[role]}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
