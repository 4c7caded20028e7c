import {
  applyProposals,
  changePrice,
  decimalNumber,
  dismissUnpricedModel,
  line,
  list,
  listPrices,
  listUnpricedModels,
  priceUnpricedModel,
  proposePrices,
  readPriceHistory,
  wholeNumber,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, page, router } from "../trpc.ts";

const band = z.strictObject({
  aboveInputTokens: z.number().int(),
  usdPerMillion: z.record(z.string().max(40), z.string().max(30)),
});
/** Classes of units are words of ours, such as `cached_input`. */
const bandInput = z.strictObject({
  aboveInputTokens: z.int().min(-1).max(100_000_000),
  usdPerMillion: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/), line({ max: 30 })),
});
const multipliers = z.record(z.string(), z.number());
const tokens = wholeNumber({ min: 1, max: 100_000_000 }).nullable();

const priceRow = z.strictObject({
  id: z.string(),
  model: z.string(),
  bands: z.array(band),
  markupPpm: z.number(),
  contextTokens: z.number().nullable(),
  maxOutputTokens: z.number().nullable(),
  source: z.string(),
  validFrom: z.date(),
  retiredAt: z.date().nullable(),
});

const model = line({ max: 200, required: "Enter the name of the model." });

export const prices = router({
  list: adminProcedure
    .input(z.strictObject({ search: line({ max: 200 }).default(""), ...page }))
    .output(z.strictObject({ prices: z.array(priceRow), total: z.number() }))
    .query(({ ctx, input }) => listPrices(ctx.db, input)),

  history: adminProcedure
    .input(z.strictObject({ model }))
    .output(z.array(priceRow))
    .query(({ ctx, input }) => readPriceHistory(ctx.db, input.model)),

  change: adminProcedure
    .input(
      z.strictObject({
        model,
        bands: list(bandInput, { max: 10, required: "Enter dollars per million with at most six places." }),
        markupPercent: decimalNumber({ min: -100, max: 10_000, notANumber: "Enter a percentage." }),
        contextTokens: tokens,
        maxOutputTokens: tokens,
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input: { markupPercent, ...rest } }) => {
      const markupPpm = Math.round(1_000_000 + markupPercent * 10_000);
      await changePrice(ctx.db, { ...rest, markupPpm, actor: actorOf(ctx) });
      return isDone;
    }),

  unpriced: adminProcedure
    .output(
      z.array(
        z.strictObject({
          model: z.string(),
          requests: z.number(),
          lastSeenAt: z.date(),
          suggestion: z
            .strictObject({ kind: z.enum(["published", "sibling"]), basedOn: z.string(), bands: z.array(band) })
            .nullable(),
        }),
      ),
    )
    .query(({ ctx }) => listUnpricedModels(ctx.db)),

  priceUnpriced: adminProcedure
    .input(z.strictObject({ model, basedOn: model }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await priceUnpricedModel(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  dismissUnpriced: adminProcedure
    .input(z.strictObject({ model }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await dismissUnpricedModel(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  proposals: adminProcedure
    .output(
      z.array(
        z.strictObject({
          model: z.string(),
          origin: z.enum(["published", "imported"]),
          before: z.array(band).nullable(),
          after: z.array(band),
          tiers: z.strictObject({ before: multipliers, after: multipliers }).nullable(),
          maxOutputTokens: z.number().nullable(),
        }),
      ),
    )
    .query(({ ctx }) => proposePrices(ctx.db)),

  applyProposals: adminProcedure
    .input(
      z
        .strictObject({
          models: z.array(model).max(1_000),
          imported: z.array(model).max(1_000).default([]),
        })
        .refine(({ models, imported }) => models.length + imported.length > 0, "Choose at least one model."),
    )
    .output(z.strictObject({ applied: z.number() }))
    .mutation(async ({ ctx, input }) => ({
      applied: await applyProposals(ctx.db, { ...input, actor: actorOf(ctx) }),
    })),
});
