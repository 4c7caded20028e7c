/** What a caller can only report. Each door turns the code into its own status; `field` names the input it is about. */
export type AppErrorCode =
  | "invalid_input"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "too_many_attempts"
  | "registration_closed"
  | "setup_done"
  | "balance_too_low";

export class AppError extends Error {
  override readonly name = "AppError";
  constructor(
    readonly code: AppErrorCode,
    message: string,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}
