/** The three kinds of procedures: anybody's, a signed-in user's, an admin's. What an admin's reads, a viewer reads too. */
import {
  AppError,
  changesAdministration,
  isDatabaseDown,
  isDataException,
  readsAdministration,
  type AppErrorCode,
} from "@codex-gateway/domain";
import { initTRPC, TRPCError } from "@trpc/server";
import { z, ZodError } from "zod";
import type { Context } from "./context.ts";

type ProcedureKind = "public" | "user" | "admin";

const codes: Readonly<Record<AppErrorCode, TRPCError["code"]>> = {
  invalid_input: "BAD_REQUEST",
  unauthorized: "UNAUTHORIZED",
  forbidden: "FORBIDDEN",
  not_found: "NOT_FOUND",
  conflict: "CONFLICT",
  too_many_attempts: "TOO_MANY_REQUESTS",
  busy: "SERVICE_UNAVAILABLE",
  registration_closed: "FORBIDDEN",
  setup_done: "NOT_FOUND",
  balance_too_low: "CONFLICT",
};

const t = initTRPC
  .context<Context>()
  .meta<{ kind: ProcedureKind }>()
  .create({
    errorFormatter: ({ shape, error }) => ({
      ...shape,
      // What a bug says is for the log, not for the browser.
      message: messageOf(error, shape.message),
      data: {
        code: shape.data.code,
        httpStatus: shape.data.httpStatus,
        path: shape.data.path,
        fields: fieldsOf(error.cause),
      },
    }),
  });

function messageOf({ code, cause }: TRPCError, message: string): string {
  if (code === "INTERNAL_SERVER_ERROR") return "Something went wrong.";
  return cause instanceof ZodError ? inputFault : message;
}

/** The fields say which. */
const inputFault = "Some fields need your attention.";
const maxFields = 50;

/** Messages by the name of the input that they are about. */
function fieldsOf(cause: unknown): Record<string, string> {
  if (cause instanceof AppError) return cause.fields;
  if (!(cause instanceof ZodError)) return {};
  return Object.fromEntries(cause.issues.slice(0, maxFields).map((issue) => [issue.path.join("."), issue.message]));
}

/** A database that is away is no bug: whoever asks may ask again. */
export const translateError = (error: unknown): unknown =>
  isDatabaseDown(error)
    ? new TRPCError({ code: "SERVICE_UNAVAILABLE", message: "The database cannot be reached.", cause: error })
    : error;

const translateErrors = t.middleware(async ({ next }) => {
  const result = await next();
  if (result.ok || !result.error.cause) return result;
  const { cause } = result.error;
  if (cause instanceof AppError) throw new TRPCError({ code: codes[cause.code], message: cause.message, cause });
  if (isDataException(cause)) {
    throw new TRPCError({ code: "BAD_REQUEST", message: "A value is out of range.", cause });
  }
  if (result.error.code === "INTERNAL_SERVER_ERROR") throw translateError(cause);
  return result;
});

export const router = t.router;
export const createCallerFactory = t.createCallerFactory;

export const publicProcedure = t.procedure.meta({ kind: "public" }).use(translateErrors);

export const userProcedure = t.procedure
  .meta({ kind: "user" })
  .use(translateErrors)
  .use(({ ctx, next }) => {
    if (!ctx.user) throw new TRPCError({ code: "UNAUTHORIZED", message: "Log in first." });
    return next({ ctx: { ...ctx, user: ctx.user } });
  });

export const adminProcedure = t.procedure
  .meta({ kind: "admin" })
  .use(translateErrors)
  .use(({ ctx, type, next }) => {
    if (!ctx.user) throw new TRPCError({ code: "UNAUTHORIZED", message: "Log in first." });
    const { role } = ctx.user;
    const isAllowed = type === "query" ? readsAdministration(role) : changesAdministration(role);
    if (!isAllowed) throw new TRPCError({ code: "FORBIDDEN", message: "Only admins may do this." });
    return next({ ctx: { ...ctx, user: ctx.user } });
  });

/** What a list takes to show one page of it. */
export const page = {
  limit: z.int().min(1).max(100).default(20),
  offset: z.int().min(0).max(1_000_000).default(0),
};

export const done = z.strictObject({ isDone: z.literal(true) });
export const isDone = { isDone: true } as const;

/** What no input can mend: a bug, or a database that is away. */
export const isFailure = ({ code, cause }: TRPCError): boolean =>
  (code === "INTERNAL_SERVER_ERROR" || code === "SERVICE_UNAVAILABLE") && !(cause instanceof AppError);

/** When to ask again, in seconds; null where time mends nothing. */
export function retryAfterOf({ code, cause }: TRPCError): number | null {
  if (cause instanceof AppError) return cause.retryAfterSeconds;
  return code === "SERVICE_UNAVAILABLE" ? 1 : null;
}

export type Fault = {
  message: string;
  fields: Record<string, string>;
  /** Where it is not the input that is at fault: too many attempts, too many people. */
  wait: { status: 429 | 503; seconds: number } | null;
};

/** What a person can mend, with messages by field; null for a failure, which the caller should let through. */
export function faultOf(error: unknown): Fault | null {
  if (!(error instanceof TRPCError) || isFailure(error)) return null;
  const fields = fieldsOf(error.cause);
  const seconds = retryAfterOf(error);
  const wait = seconds === null ? null : { status: waitStatuses[error.code] ?? 503, seconds };
  return { message: messageOf(error, error.message), fields, wait };
}

const waitStatuses: Partial<Record<TRPCError["code"], 429 | 503>> = { TOO_MANY_REQUESTS: 429 };
