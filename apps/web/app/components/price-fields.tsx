/** The fields of a price, band by band, and how they are read back. */
import { useFormat } from "../i18n/format";
import { useTexts } from "../i18n/use-texts";
import { textOf, textOrNull } from "../guards";
import { Field } from "./ui/field";

type Band = { aboveInputTokens: number; usdPerMillion: Record<string, string> };
export type EditedPrice = {
  model: string;
  bands: Band[];
  markupPpm: number;
  contextTokens: number | null;
  maxOutputTokens: number | null;
};

const usualClasses = ["input", "cached_input", "cache_write_30m", "output"];
/** Rows of older versions call the writes of 30 minutes just writes. */
const classesOf = (usdPerMillion: Record<string, string>): string[] => [
  ...new Set([
    ...usualClasses.filter((name) => name !== "cache_write_30m" || usdPerMillion.cache_write === undefined),
    ...Object.keys(usdPerMillion),
  ]),
];

export function PriceFields({ price, fields }: { price: EditedPrice | null; fields: Record<string, string> }) {
  const t = useTexts();
  const { count } = useFormat();
  const bands: Band[] = price?.bands ?? [{ aboveInputTokens: -1, usdPerMillion: {} }];
  return (
    <>
      {price ? (
        <input type="hidden" name="model" value={price.model} />
      ) : (
        <Field
          name="model"
          label={t.prices.modelName}
          placeholder="gpt-5-mini"
          hint={t.prices.modelHint}
          required
          error={fields.model}
        />
      )}
      {bands.map(({ aboveInputTokens, usdPerMillion }) => (
        <fieldset key={aboveInputTokens}>
          <legend className="mb-3 text-sm font-semibold">
            {aboveInputTokens < 0 ? t.prices.base : t.prices.above(count(aboveInputTokens))}
          </legend>
          <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
            {classesOf(usdPerMillion).map((unitClass) => {
              const name = `price.${aboveInputTokens}.${unitClass}`;
              return (
                <Field
                  key={name}
                  name={name}
                  label={t.usage.classes[unitClass] ?? unitClass}
                  inputMode="decimal"
                  defaultValue={usdPerMillion[unitClass] ?? ""}
                  required={unitClass === "input"}
                  error={fields[name]}
                />
              );
            })}
          </div>
        </fieldset>
      ))}
      <div className="grid grid-cols-1 gap-4 sm:grid-cols-3">
        <Field
          name="markupPercent"
          label={t.prices.markupPercent}
          inputMode="decimal"
          defaultValue={price ? price.markupPpm / 10_000 - 100 : 0}
          hint={t.prices.markupHint}
          required
          error={fields.markupPercent}
        />
        <Field
          name="contextTokens"
          label={t.prices.context}
          inputMode="numeric"
          defaultValue={price?.contextTokens ?? ""}
          error={fields.contextTokens}
        />
        <Field
          name="maxOutputTokens"
          label={t.prices.maxOutput}
          inputMode="numeric"
          defaultValue={price?.maxOutputTokens ?? ""}
          error={fields.maxOutputTokens}
        />
      </div>
    </>
  );
}

/** A class that is left empty has no price of its own. */
export function readPriceForm(form: FormData) {
  const bands = new Map<number, Record<string, string>>();
  for (const [name, value] of form) {
    const [, above, unitClass] = /^price\.(-?\d+)\.(\w+)$/.exec(name) ?? [];
    if (above === undefined || unitClass === undefined || typeof value !== "string" || value.trim() === "") continue;
    const band = bands.get(Number(above)) ?? {};
    band[unitClass] = value.trim();
    bands.set(Number(above), band);
  }
  return {
    model: textOf(form, "model").trim(),
    bands: [...bands]
      .sort(([a], [b]) => a - b)
      .map(([aboveInputTokens, usdPerMillion]) => ({ aboveInputTokens, usdPerMillion })),
    markupPercent: textOf(form, "markupPercent"),
    contextTokens: textOrNull(form, "contextTokens"),
    maxOutputTokens: textOrNull(form, "maxOutputTokens"),
  };
}
