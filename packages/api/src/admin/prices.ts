import {
  applyProposals,
  changePrice,
  dismissUnpricedModel,
  listPrices,
  listUnpricedModels,
  priceUnpricedModel,
  proposePrices,
  readPriceHistory,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, page, router } from "../trpc.ts";

const band = z.strictObject({
  aboveInputTokens: z.number().int(),
  usdPerMillion: z.record(z.string().max(40), z.string().max(30)),
});
const multipliers = z.record(z.string(), z.number());
const tokens = z.coerce.number().int().min(1).max(100_000_000).nullable();

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

const model = z.string().trim().min(1, "Enter the name of the model.").max(200);

export const prices = router({
  list: adminProcedure
    .input(z.strictObject({ search: z.string().max(200).default(""), ...page }))
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
        bands: z.array(band).min(1).max(10),
        markupPercent: z.coerce.number("Enter a percentage.").min(-100).max(10_000),
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
          before: z.array(band).nullable(),
          after: z.array(band),
          tiers: z.strictObject({ before: multipliers, after: multipliers }).nullable(),
          maxOutputTokens: z.number().nullable(),
        }),
      ),
    )
    .query(({ ctx }) => proposePrices(ctx.db)),

  applyProposals: adminProcedure
    .input(z.strictObject({ models: z.array(model).min(1, "Choose at least one model.").max(2_000) }))
    .output(z.strictObject({ applied: z.number() }))
    .mutation(async ({ ctx, input }) => ({
      applied: await applyProposals(ctx.db, { ...input, actor: actorOf(ctx) }),
    })),
});
