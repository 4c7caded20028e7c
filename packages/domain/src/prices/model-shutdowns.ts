/**
 * The days on which OpenAI switches models off (https://developers.openai.com/api/docs/deprecations, 2026-11-24). A model
 * past its day is not offered in `/v1/models`; its price stays, because a compatible upstream may serve the name.
 */

/** By name, dated snapshots included; the first that fits counts. Days are in UTC; from that day on the model is gone. */
const shutdowns: readonly (readonly [name: RegExp, day: string])[] = [
  [/^gpt-3\.5/, "2026-10-23"],
  [/^gpt-4(?:-|$)/, "2026-10-23"],
  [/^gpt-4o-2024-05-13$/, "2026-10-23"],
  [/^(?:o1|o1-mini|o1-preview|o1-pro|o3-mini|o4-mini|gpt-4\.1-nano|gpt-image-1)(?:-\d{4}-\d{2}-\d{2})?$/, "2026-10-23"],
  [/^(?:dall-e|sora)/, "2026-10-23"],
  [/^gpt-image-1(?:-mini|\.5)/, "2026-12-01"],
  [/^(?:gpt-5(?:-mini|-nano|-pro)?|o3)(?:-\d{4}-\d{2}-\d{2})?$/, "2026-12-11"],
  [/^(?:tts-1|gpt-4o-mini-tts)/, "2027-01-06"],
  [/^(?:gpt-4o|gpt-4\.1)(?:-mini)?(?:-\d{4}-\d{2}-\d{2})?$/, "2027-01-14"],
  [/^(?:gpt-audio(?:-|$)|gpt-realtime(?:-\d{4}-\d{2}-\d{2})?$)/, "2027-01-20"],
  [/^(?:whisper-1|gpt-4o(?:-mini)?-transcribe)/, "2027-02-26"],
  [/^(?:gpt-5\.1|gpt-5\.4-nano|gpt-5\.3-codex)(?:-\d{4}-\d{2}-\d{2})?$/, "2027-04-01"],
];

/** Returns the first day (UTC, `YYYY-MM-DD`) on which the model is gone; null: none is announced. */
export const findShutdownDay = (model: string): string | null =>
  shutdowns.find(([name]) => name.test(model))?.[1] ?? null;

/** Tells whether the model is switched off at that time. */
export function isShutDown(model: string, at: Date): boolean {
  const day = findShutdownDay(model);
  return day !== null && at.toISOString().slice(0, 10) >= day;
}
