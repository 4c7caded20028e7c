import {
  createInvite,
  day,
  emailSchema,
  grantableRoles,
  line,
  listInvites,
  wholeNumber,
  withdrawInvite,
} from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf } from "../context.ts";
import { adminProcedure, done, isDone, page, router } from "../trpc.ts";
import { startingBalance } from "./users.ts";

const invite = z.strictObject({
  id: z.uuid(),
  role: z.enum(grantableRoles),
  creditUsd: z.string(),
  email: z.string().nullable(),
  note: z.string(),
  maxUses: z.number(),
  uses: z.number(),
  expiresAt: z.date().nullable(),
  createdAt: z.date(),
  createdByEmail: z.string(),
  state: z.enum(["open", "used", "expired", "withdrawn"]),
});

export const invites = router({
  list: adminProcedure
    .input(z.strictObject(page))
    .output(z.strictObject({ invites: z.array(invite), total: z.number() }))
    .query(({ ctx, input }) => listInvites(ctx.db, input)),

  /** The token is answered here and never again. */
  create: adminProcedure
    .input(
      z.strictObject({
        role: z.enum(grantableRoles),
        balanceUsd: startingBalance,
        /** Null: whoever has the link. */
        email: emailSchema.nullable(),
        note: line({ max: 200 }),
        maxUses: wholeNumber({ min: 1, max: 1_000, tooSmall: "Enter at least 1.", tooLarge: "Enter at most 1000." }),
        /** The last day on which it holds, in UTC; null: until it is used up or withdrawn. */
        lastDay: day.nullable(),
      }),
    )
    .output(z.strictObject({ id: z.uuid(), token: z.string() }))
    .mutation(({ ctx, input: { balanceUsd, lastDay, ...rest } }) =>
      createInvite(ctx.db, {
        ...rest,
        creditNanoUsd: balanceUsd,
        expiresAt: lastDay === null ? null : new Date(`${lastDay}T23:59:59.999Z`),
        actor: { ...actorOf(ctx), userId: ctx.user.id },
      }),
    ),

  withdraw: adminProcedure
    .input(z.strictObject({ inviteId: z.uuid() }))
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await withdrawInvite(ctx.db, { ...input, actor: actorOf(ctx) });
      return isDone;
    }),
});
