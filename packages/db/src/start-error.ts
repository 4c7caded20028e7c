/** Why the process cannot start, in one sentence that its owner can act on. */
export class StartError extends Error {
  override readonly name = "StartError";
}
