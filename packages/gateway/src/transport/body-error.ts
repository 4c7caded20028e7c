/** A body that cannot be taken; `message` is for the client, `param` the member it is about. */
export class BodyError extends Error {
  override readonly name = "BodyError";
  constructor(
    message: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }
}
