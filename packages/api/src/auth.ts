import { appendAudit, credentialsSchema, logIn, readSettings, register } from "@codex-gateway/domain";
import { z } from "zod";
import { actorOf, openSession } from "./context.ts";
import { done, isDone, publicProcedure, router } from "./trpc.ts";

export const auth = router({
  me: publicProcedure
    .output(z.strictObject({ id: z.string(), email: z.string(), role: z.enum(["owner", "admin", "user"]) }).nullable())
    .query(({ ctx }) => ctx.user),

  registration: publicProcedure
    .output(z.strictObject({ isOpen: z.boolean() }))
    .query(async ({ ctx }) => ({ isOpen: (await readSettings(ctx.db)).isRegistrationOpen })),

  login: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await openSession(ctx, await logIn(ctx.db, ctx.throttles, input, ctx.address));
      return isDone;
    }),

  register: publicProcedure
    .input(credentialsSchema)
    .output(done)
    .mutation(async ({ ctx, input }) => {
      await openSession(ctx, await register(ctx.db, ctx.throttles, input, ctx.address));
      return isDone;
    }),

  logout: publicProcedure.output(done).mutation(async ({ ctx }) => {
    if (ctx.sessionToken !== null) {
      await ctx.sessions.invalidateSession(ctx.sessionToken);
      const act = { action: "logout", targetKind: "user", targetId: ctx.user?.id ?? null } as const;
      await appendAudit(ctx.db.pool, actorOf(ctx), act);
    }
    ctx.setCookie(ctx.sessions.createBlankSessionCookie().serialize());
    return isDone;
  }),
});
