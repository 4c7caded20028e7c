import { expect, test } from "vitest";
import { readPreferences } from "./preferences";

const languageFor = (acceptLanguage: string | null) =>
  readPreferences(
    new Request("http://gateway.test/", {
      headers: acceptLanguage === null ? {} : { "accept-language": acceptLanguage },
    }),
  ).language;

test.each<[string | null, string]>([
  ["zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"],
  ["zh-Hant-TW", "zh-CN"],
  ["en-GB,en;q=0.9,zh;q=0.5", "en"],
  ["fr-FR,fr;q=0.9", "en"],
  ["ja", "en"],
  ["de-DE, de;q=0.7", "en"],
  ["fr, zh;q=0.8, en;q=0.5", "zh-CN"],
  ["fr, en;q=0.8, zh;q=0.5", "en"],
  [null, "zh-CN"],
  ["", "zh-CN"],
  ["*", "zh-CN"],
  [";;;,,,", "zh-CN"],
  ["x".repeat(100_000), "en"],
])("a browser that wishes for %j gets %s", (wish, language) => {
  expect(languageFor(wish)).toBe(language);
});
