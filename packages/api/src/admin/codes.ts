import { createRedeemBatch, day, line, listRedeemBatches, usdInput, wholeNumber } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, page, router } from "../trpc.ts";

export const codes = router({
  list: adminProcedure
    .input(z.strictObject(page))
    .output(
      z.strictObject({
        batches: z.array(
          z.strictObject({
            id: z.string(),
            amountUsd: z.string(),
            codeCount: z.number(),
            redeemedCount: z.number(),
            note: z.string(),
            expiresAt: z.date().nullable(),
            createdAt: z.date(),
          }),
        ),
        total: z.number(),
      }),
    )
    .query(({ ctx, input }) => listRedeemBatches(ctx.db, input)),

  create: adminProcedure
    .input(
      z.strictObject({
        amountUsd: usdInput.refine((nanoUsd) => nanoUsd > 0n, "Enter an amount above zero."),
        count: wholeNumber({ min: 1, max: 1_000, tooSmall: "Enter at least 1.", tooLarge: "Enter at most 1000." }),
        note: line({ max: 200 }),
        /** The last day on which the codes count, in UTC; null: for ever. */
        lastDay: day.nullable(),
      }),
    )
    .output(z.strictObject({ batchId: z.string(), codes: z.array(z.string()) }))
    .mutation(({ ctx, input: { amountUsd, lastDay, ...rest } }) =>
      createRedeemBatch(ctx.db, {
        ...rest,
        amountNanoUsd: amountUsd,
        expiresAt: lastDay === null ? null : new Date(`${lastDay}T23:59:59.999Z`),
        actor: { ...actorOf(ctx), userId: ctx.user.id },
        pepper: ctx.secrets.keyPepper,
      }),
    ),
});
