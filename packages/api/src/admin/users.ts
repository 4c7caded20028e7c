import { adjustUserBalance, listUsers, setUserStatus } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { usdInput } from "../setup.ts";
import { adminProcedure, done, isDone, router } from "../trpc.ts";

const userSummary = z.strictObject({
  id: z.uuid(),
  email: z.string(),
  role: z.enum(["owner", "admin", "user"]),
  status: z.enum(["active", "suspended"]),
  createdAt: z.date(),
  balanceUsd: z.string(),
  heldUsd: z.string(),
});

export const users = router({
  list: adminProcedure
    .input(
      z.strictObject({
        search: z.string().max(200).default(""),
        limit: z.int().min(1).max(100).default(20),
        offset: z.int().min(0).max(1_000_000).default(0),
      }),
    )
    .output(z.strictObject({ users: z.array(userSummary), total: z.number() }))
    .query(({ ctx, input }) => listUsers(ctx.db, input)),

  adjustBalance: adminProcedure
    .input(
      z.strictObject({
        userId: z.uuid(),
        amountUsd: usdInput,
        isPaid: z.boolean(),
        note: z.string().trim().max(500),
        /** Made once per shown form: the same form sent twice counts once. */
        formId: z.uuid(),
      }),
    )
    .output(z.strictObject({ balanceUsd: z.string() }))
    .mutation(({ ctx, input: { amountUsd, ...rest } }) =>
      adjustUserBalance(ctx.db, { ...rest, amountNanoUsd: amountUsd, actor: actorOf(ctx) }),
    ),

  setStatus: adminProcedure
    .input(z.strictObject({ userId: z.uuid(), status: z.enum(["active", "suspended"]) }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await setUserStatus(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),
});
