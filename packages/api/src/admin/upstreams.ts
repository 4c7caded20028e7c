import {
  AppError,
  deleteUpstream,
  headerSecret,
  line,
  listUpstreams,
  openUpstream,
  projectTiers,
  putUpstream,
  readSettings,
  recordUpstreamTest,
  wholeNumber,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

const projectTier = z.enum(projectTiers).nullable();
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
          addsMembers: z.boolean(),
          projectTier,
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
        name: line({ max: 100, required: "Give the upstream a name." }),
        baseUrl: line({ max: 500, required: "Enter an address such as https://api.openai.com/v1." }),
        /** Empty: it stays as it is. */
        apiKey: headerSecret({ max: 500 }),
        weight: wholeNumber({ min: 1, max: 1_000, tooSmall: "Enter at least 1.", tooLarge: "Enter at most 1000." }),
        isEnabled: z.boolean(),
        addsMembers: z.boolean().default(true),
        projectTier: projectTier.default(null),
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
