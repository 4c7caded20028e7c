/** What a caller can only report. Each door turns the code into its own status; `field` names the input it is about. */
export type AppErrorCode =
  | "invalid_input"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "too_many_attempts"
  | "busy"
  | "registration_closed"
  | "setup_done"
  | "balance_too_low";

export class AppError extends Error {
  override readonly name = "AppError";
  /** Messages by the name of the input that they are about. */
  readonly fields: Readonly<Record<string, string>>;
  constructor(
    readonly code: AppErrorCode,
    message: string,
    readonly field: string | null = null,
    /** When it is worth while to ask again; null where time mends nothing. */
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message);
    this.fields = field === null ? {} : { [field]: message };
  }
}

/** Several inputs at once, each with its own message. */
class InvalidInputError extends AppError {
  override readonly fields: Readonly<Record<string, string>>;
  constructor(faults: readonly AppError[]) {
    super("invalid_input", "Some fields need your attention.");
    this.fields = Object.assign({}, ...faults.map(({ fields }) => fields)) as Record<string, string>;
  }
}

/**
 * Runs every check, so that all inputs that are wrong are told at once, and answers what the checks came to.
 * @throws AppError where one is wrong
 */
export function checkAll<Results extends unknown[]>(
  ...checks: { [Index in keyof Results]: () => Results[Index] }
): Results {
  const faults: AppError[] = [];
  const results = checks.map((check) => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "invalid_input") throw error;
      faults.push(error);
      return null;
    }
  });
  const [first, ...more] = faults;
  if (first) throw more.length === 0 ? first : new InvalidInputError(faults);
  return results as Results;
}
