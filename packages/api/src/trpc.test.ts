import { AppError } from "@codex-gateway/domain";
import { TRPCError } from "@trpc/server";
import { expect, test } from "vitest";
import { faultOf, isFailure, retryAfterOf } from "./trpc.ts";

test("too many people at once is told in words, with when to ask again; a database that is away is a failure", () => {
  const cause = new AppError("busy", "Too many people.", null, 3);
  const busy = new TRPCError({ code: "SERVICE_UNAVAILABLE", message: cause.message, cause });
  expect(faultOf(busy)).toEqual({ message: "Too many people.", fields: {}, wait: { status: 503, seconds: 3 } });
  const away = new TRPCError({ code: "SERVICE_UNAVAILABLE", message: "The database cannot be reached." });
  expect([isFailure(busy), isFailure(away), faultOf(away), retryAfterOf(away)]).toEqual([false, true, null, 1]);
});

test("too many attempts is a 429 that says when to try again; what time does not mend says nothing of it", () => {
  const cause = new AppError("too_many_attempts", "Too many attempts.", "code", 60);
  const error = new TRPCError({ code: "TOO_MANY_REQUESTS", message: cause.message, cause });
  expect(faultOf(error)).toMatchObject({ fields: { code: "Too many attempts." }, wait: { status: 429, seconds: 60 } });
  const wrong = new TRPCError({ code: "BAD_REQUEST", cause: new AppError("invalid_input", "No.", "code") });
  expect(faultOf(wrong)?.wait).toBeNull();
});
