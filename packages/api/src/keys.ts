import { createKey, deleteKey, listKeys } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "./context.ts";
import { done, isDone, router, userProcedure } from "./trpc.ts";

const keySummary = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  masked: z.string(),
  createdAt: z.date(),
  lastUsedAt: z.date().nullable(),
  status: z.enum(["active", "disabled"]),
});

export const keys = router({
  list: userProcedure.output(z.array(keySummary)).query(({ ctx }) => listKeys(ctx.db, ctx.user.id)),

  create: userProcedure
    .input(z.strictObject({ name: z.string().trim().min(1, "Give the key a name.").max(100) }))
    .output(z.strictObject({ key: keySummary, secret: z.string() }))
    .mutation(({ ctx, input }) => {
      const { keyPepper } = ctx.secrets;
      return createKey(ctx.db, { userId: ctx.user.id, name: input.name, actor: actorOf(ctx), keyPepper });
    }),

  delete: userProcedure
    .input(z.strictObject({ keyId: z.uuid() }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await deleteKey(ctx.db, { userId: ctx.user.id, keyId: input.keyId, actor: actorOf(ctx) });
      return isDone;
    }),
});
