/** Why the process cannot start, in one sentence that its owner can act on. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** It would fail in the same way again, until somebody has done something about it. */
  readonly isFinal: boolean;

  constructor(message: string, { isFinal = false }: { isFinal?: boolean } = {}) {
    super(message);
    this.isFinal = isFinal;
  }
}
