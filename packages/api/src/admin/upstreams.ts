import {
  AppError,
  deleteUpstream,
  listUpstreams,
  openUpstream,
  putUpstream,
  readSettings,
  recordUpstreamTest,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

const health = z.enum(["healthy", "failing", "unused"]);

export const upstreams = router({
  list: adminProcedure
    .output(
      z.array(
        z.strictObject({
          id: z.string(),
          name: z.string(),
          baseUrl: z.string(),
          keyLastFour: z.string(),
          isEnabled: z.boolean(),
          weight: z.number(),
          health,
        }),
      ),
    )
    .query(async ({ ctx }) =>
      (await listUpstreams(ctx.db)).map((upstream) => ({ ...upstream, health: ctx.healthOfUpstream(upstream.id) })),
    ),

  put: adminProcedure
    .input(
      z.strictObject({
        id: z.uuid().nullable(),
        name: z.string().trim().min(1, "Give the upstream a name.").max(100),
        baseUrl: z.string().trim().min(1).max(500),
        /** Empty: it stays as it is. */
        apiKey: z.string().trim().max(500),
        weight: z.coerce.number("Enter a whole number.").int().min(1, "Enter at least 1.").max(1_000),
        isEnabled: z.boolean(),
      }),
    )
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const apiKey = input.apiKey === "" ? null : input.apiKey;
      await putUpstream(ctx.db, ctx.secrets, { ...input, apiKey, actor: actorOf(ctx) });
      return isDone;
    }),

  delete: adminProcedure
    .input(z.strictObject({ id: z.uuid() }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await deleteUpstream(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),

  test: adminProcedure
    .input(z.strictObject({ id: z.uuid() }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      const { allowsPrivateUpstreams } = await readSettings(ctx.db);
      const upstream = await openUpstream(ctx.db, ctx.secrets, input.id);
      const fault = await ctx.testUpstream({ ...upstream, isPrivateAllowed: allowsPrivateUpstreams });
      const { baseUrl } = upstream;
      await recordUpstreamTest(ctx.db, { ...input, baseUrl, fault: fault?.message ?? null, actor: actorOf(ctx) });
      if (fault !== null) throw new AppError("invalid_input", fault.message);
      return isDone;
    }),
});
