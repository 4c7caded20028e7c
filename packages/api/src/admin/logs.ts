import { line, listAudit, listAuditActions } from "@codex-gateway/domain";
import { z } from "zod";
import { adminProcedure, page, router } from "../trpc.ts";

export const logs = router({
  list: adminProcedure
    .input(
      z.strictObject({
        action: line({ max: 50 }).nullable().default(null),
        search: line({ max: 200 }).default(""),
        ...page,
      }),
    )
    .output(
      z.strictObject({
        lines: z.array(
          z.strictObject({
            id: z.string(),
            createdAt: z.date(),
            actorEmail: z.string().nullable(),
            action: z.string(),
            targetKind: z.string(),
            targetId: z.string().nullable(),
            targetEmail: z.string().nullable(),
            address: z.string(),
            details: z.record(z.string(), z.unknown()),
          }),
        ),
        total: z.number(),
      }),
    )
    .query(({ ctx, input }) => listAudit(ctx.db, input)),

  actions: adminProcedure.output(z.array(z.string())).query(({ ctx }) => listAuditActions(ctx.db)),
});
