/**
 * How many tokens a picture is counted as, by the family of the model. Source: OpenAI's guide "Images and vision"
 * (https://platform.openai.com/docs/guides/images-vision), as of November 2026; multipliers that it does not name are those
 * that answers have reported.
 */
import type { PictureSize } from "./picture-size.ts";
import type { PictureDetail } from "./request-visitor.ts";

/** Squares of 512 pixels, once the picture fits 2,048 × 2,048 and its shorter side has at most 768. */
type Tiles = { base: number; tile: number };
/** Squares of 32 pixels, up to as many as there are for the detail; a picture with more is made smaller. */
type Patches = {
  perPatch: number;
  high: { patches: number; sidePx: number };
  /** Infinity: the picture stays as it is. Null: there is no such detail. */
  original: { patches: number; sidePx: number } | null;
  auto: "high" | "original";
  /** Null: a low detail changes nothing. */
  lowPatches: number | null;
};

const low = 256;
const small = { patches: 1_536, sidePx: 2_048 };
const large = { patches: 2_500, sidePx: 2_048 };
const original = { patches: 10_000, sidePx: 6_000 };
const asItIs = { patches: Infinity, sidePx: Infinity };

const smallPatches = (perPatch: number): Patches => ({
  perPatch,
  high: small,
  original: null,
  auto: "high",
  lowPatches: null,
});
const largePatches = (whole: Patches["original"], auto: Patches["auto"], perPatch = 1.2): Patches => ({
  perPatch,
  high: large,
  original: whole,
  auto,
  lowPatches: low,
});

/** By the beginning of the name, behind a vendor's and `ft:`; the first that fits counts. */
const families: readonly (readonly [name: RegExp, rule: Tiles | Patches])[] = [
  [/^gpt-4o-mini/, { base: 2_833, tile: 5_667 }],
  [/^gpt-4\.1-mini/, smallPatches(1.62)],
  [/^gpt-4\.1-nano/, smallPatches(2.46)],
  [/^(?:gpt-4|chatgpt-4o)/, { base: 85, tile: 170 }],
  [/^(?:o4-mini|codex-mini)/, smallPatches(1.72)],
  [/^o\d/, { base: 75, tile: 150 }],
  [/^computer-use/, { base: 65, tile: 129 }],
  [/^gpt-5(?:\.[1-4])?-mini/, smallPatches(1.62)],
  [/^gpt-5(?:\.[1-4])?-nano/, smallPatches(2.46)],
  [/^gpt-5(?:\.[1-3])?\S*-codex/, smallPatches(1.2)],
  [/^gpt-5(?:\.1)?(?:-|$)/, { base: 70, tile: 140 }],
  [/^gpt-5\.[23]/, smallPatches(1.2)],
  [/^gpt-5\.4/, largePatches(original, "high")],
  [/^gpt-5\.5/, largePatches(original, "original")],
  [/^gpt-[5-9]\S*-mini/, largePatches(asItIs, "original", 1.62)],
  [/^gpt-[5-9]\S*-nano/, largePatches(asItIs, "original", 2.46)],
  [/^gpt-[5-9]/, largePatches(asItIs, "original")],
];

/** Dearer than any family's but one, for models that are not OpenAI's. */
const unknownFamily = largePatches(asItIs, "original", 2.46);

/** A picture whose size nobody knows has no more than that where its model takes it as it is. */
const mostPatches = original.patches;

const vendor = /^(?:[\w.-]+\/)?(?:ft:)?/;

/** Returns the most tokens that a picture is counted as. `size` null: it is not known. */
export function pictureTokens(model: string, size: PictureSize | null, detail: PictureDetail): number {
  const name = model.replace(vendor, "");
  const rule = families.find(([family]) => family.test(name))?.[1] ?? unknownFamily;
  return "tile" in rule ? tokensOfTiles(rule, size, detail) : tokensOfPatches(rule, size, detail);
}

const mostTiles = 8;

function tokensOfTiles({ base, tile }: Tiles, size: PictureSize | null, detail: PictureDetail): number {
  if (detail === "low") return base;
  if (size === null) return base + mostTiles * tile;
  const fitted = scale(size, Math.min(1, 2_048 / Math.max(size.width, size.height)));
  const { width, height } = scale(fitted, Math.min(1, 768 / Math.min(fitted.width, fitted.height)));
  return base + tile * squares(width, 512) * squares(height, 512);
}

function tokensOfPatches(rule: Patches, size: PictureSize | null, detail: PictureDetail): number {
  if (detail === "low" && rule.lowPatches !== null) return Math.ceil(rule.lowPatches * rule.perPatch);
  const asked = detail === "high" || detail === "original" ? detail : rule.auto;
  const { patches, sidePx } = (asked === "original" ? rule.original : null) ?? rule.high;
  const most = Math.min(patches, size === null ? mostPatches : Infinity);
  if (size === null) return Math.ceil(most * rule.perPatch);
  const { width, height } = scale(size, Math.min(1, sidePx / Math.max(size.width, size.height)));
  return Math.ceil(Math.min(squares(width, 32) * squares(height, 32), most) * rule.perPatch);
}

/** Rounded up: no provider counts less of a picture than it has. */
const scale = ({ width, height }: PictureSize, factor: number): PictureSize =>
  factor >= 1 ? { width, height } : { width: Math.ceil(width * factor), height: Math.ceil(height * factor) };

const squares = (px: number, sidePx: number): number => Math.ceil(px / sidePx);
