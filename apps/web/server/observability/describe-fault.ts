/**
 * Describes what was thrown by everything but its message: those of JSON.parse and its like carry bodies, and a body is
 * never logged.
 */
export type FaultDescription = {
  /** The error's class, or what was thrown in its place. */
  name: string;
  code: string | null;
  /** The stack's lines, innermost first. */
  frames: string[];
};

const maxFrames = 10;
const word = /^[A-Za-z_$][\w$.-]{0,63}$/;
/** A place in a file, with the function that stands there. */
const frame = /^at (?:(?:async |new )*[\w$.<>[\] #]{1,200} \()?(?:node:|file:\/\/|[\w.-]*\/)[^\s()]{1,300}:\d+:\d+\)?$/;

export function describeFault(thrown: unknown): FaultDescription {
  const name = read(thrown, "name");
  const code = read(thrown, "code");
  return {
    name: word.test(name) ? name : typeof thrown,
    code: word.test(code) ? code : null,
    frames: framesOf(thrown),
  };
}

/** What is thrown may be anything, such as an object whose properties throw. */
function read(thrown: unknown, property: "name" | "code" | "message" | "stack"): string {
  try {
    const value = (thrown as Partial<Record<string, unknown>> | null | undefined)?.[property];
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}

/** A stack begins with the message, whose lines may look like anything. */
function framesOf(thrown: unknown): string[] {
  const stack = read(thrown, "stack");
  const message = read(thrown, "message");
  const at = message === "" ? -1 : stack.indexOf(message);
  const lines = stack.slice(at === -1 ? 0 : at + message.length).split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => frame.test(line))
    .slice(-maxFrames);
}
