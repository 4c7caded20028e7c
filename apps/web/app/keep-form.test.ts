import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL("routes", import.meta.url));
const sources = readdirSync(folder).map((name) => [name, readFileSync(`${folder}/${name}`, "utf8")] as const);

test("every page with a form keeps it where no answer comes", () => {
  const forms = sources.filter(
    ([name, source]) =>
      /export async function action/.test(source) && /export default function/.test(source) && name !== "$.tsx",
  );
  expect(forms.length).toBeGreaterThan(12);
  const losing = forms.filter(([, source]) => !source.includes("export const clientAction = keepForm;"));
  expect(losing.map(([name]) => name)).toEqual([]);
});
