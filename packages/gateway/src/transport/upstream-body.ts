/**
 * The body of an upstream's answer: fed by the client's parser, read either whole or chunk by chunk. A reader that does
 * not keep up stops the socket; a body that nobody wants any more closes it.
 */
import type { Dispatcher } from "undici";
import type { AnswerShare } from "./answer-budget.ts";
import { GatheredBytes } from "./gathered-bytes.ts";
import type { ByteRedactor } from "./redact.ts";

/** So much may lie here unread before the socket is stopped. */
const maxUnreadBytes = 64 * 1024;
/** So much of a whole answer is nobody's to count: most have less. */
const uncountedBytes = 64 * 1024;
const roomStepBytes = 1024 * 1024;
/** Nobody who looks ahead wants more. */
const peekedBytes = 4 * 1024;

/** Of the connection that it comes on, or of whatever stands between. */
type BodyController = Pick<Dispatcher.DispatchController, "pause" | "resume" | "abort" | "paused" | "aborted">;

/** A class, where the rest are functions: one is made for each call, and a closure for each method would be most of it. */
export class UpstreamBody implements AsyncIterable<Uint8Array> {
  readonly #controller: BodyController;
  readonly #redactor: ByteRedactor | null;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #isReadWhole = false;
  #fault: Error | null = null;
  #isEnded = false;
  #wake: (() => void) | null = null;
  #stopWaiting: (() => void) | null = null;

  constructor(controller: BodyController, redactor: ByteRedactor | null = null) {
    this.#controller = controller;
    this.#redactor = redactor;
  }

  push(chunk: Uint8Array): void {
    if (this.#redactor === null) this.#add(chunk);
    else for (const piece of this.#redactor.push(chunk)) this.#add(piece);
  }

  #add(chunk: Uint8Array): void {
    this.#unread.push(chunk);
    this.#unreadBytes += chunk.length;
    const isMuch = this.#unreadBytes > maxUnreadBytes;
    if (this.#isReadWhole) {
      if (isMuch) this.#notify();
      return;
    }
    if (isMuch) this.#controller.pause();
    this.#notify();
  }

  /** All of it has come; with a fault, all that will come. */
  end(fault: Error | null = null): void {
    const rest = this.#redactor?.rest();
    if (rest) this.#add(rest);
    this.#fault = fault;
    this.#isEnded = true;
    if (fault) this.#stopWaiting?.();
    this.#notify();
  }

  /** Its first bytes, which stay here to be read: `bytes` of them or more; fewer where there are no more, or none came in time. */
  async peek(bytes: number, patienceMs: number | null): Promise<{ bytes: Buffer; isAll: boolean }> {
    if (this.#unreadBytes < bytes && !this.#isEnded) await this.#untilThere(bytes, patienceMs);
    const [first] = this.#unread;
    const here = this.#unread.length === 1 && first ? Buffer.from(first.buffer, first.byteOffset, first.length) : null;
    return { bytes: (here ?? Buffer.concat(this.#unread)).subarray(0, peekedBytes), isAll: this.#isEnded };
  }

  async #untilThere(bytes: number, patienceMs: number | null): Promise<void> {
    const patience = { isOver: false };
    const giveUp = () => {
      patience.isOver = true;
      this.#notify();
    };
    const timer = patienceMs === null ? undefined : setTimeout(giveUp, patienceMs);
    while (this.#unreadBytes < bytes && !this.#isEnded && !patience.isOver) await this.#more();
    clearTimeout(timer);
  }

  /**
   * All of it. What is larger than `uncountedBytes` gets its room from a share, and stops its connection while there is
   * none. @throws Error where it breaks off, or has more than `maxBytes`
   */
  async readAll(
    maxBytes: number,
    { expectedBytes = 0, openShare }: { expectedBytes?: number; openShare?: () => AnswerShare } = {},
  ): Promise<Uint8Array> {
    this.#isReadWhole = true;
    this.#resume();
    const gathered = new GatheredBytes(expectedBytes);
    let share: AnswerShare | null = null;
    let roomBytes = openShare ? uncountedBytes : Infinity;
    for (;;) {
      while (!this.#isEnded && this.#unreadBytes <= maxUnreadBytes) await this.#more();
      if (Math.max(expectedBytes, gathered.length + this.#unreadBytes) > maxBytes) {
        this.destroy();
        throw new Error(`The answer has more than ${maxBytes} bytes.`);
      }
      const neededBytes = gathered.length + this.#unreadBytes - roomBytes;
      if (neededBytes > 0 && openShare) {
        share ??= openShare();
        const stepBytes = Math.max(neededBytes, roomStepBytes, expectedBytes - roomBytes);
        await this.#untilRoom(share, stepBytes);
        roomBytes += stepBytes;
      }
      for (const chunk of this.#unread) gathered.push(chunk);
      this.#unread = [];
      this.#unreadBytes = 0;
      if (this.#isEnded) break;
    }
    if (this.#fault) throw this.#fault;
    return gathered.take();
  }

  /** Nothing more comes in while there is no room, or until the connection breaks. */
  async #untilRoom(share: AnswerShare, bytes: number): Promise<void> {
    const room = share.take(bytes);
    if (room === null) return;
    if (!this.#isEnded) this.#controller.pause();
    await new Promise<void>((resolve) => {
      this.#stopWaiting = resolve;
      room.then(resolve, resolve);
    });
    this.#stopWaiting = null;
    this.#resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        while (this.#unread.length === 0 && !this.#isEnded) await this.#more();
        const taken = this.#unread;
        this.#unread = [];
        this.#unreadBytes = 0;
        this.#resume();
        yield* taken;
        if (this.#unread.length === 0 && this.#isEnded) {
          if (this.#fault) throw this.#fault;
          return;
        }
      }
    } finally {
      this.destroy();
    }
  }

  /** Closes the connection unless everything has been read. */
  destroy(): void {
    if (this.#isEnded || this.#controller.aborted) return;
    this.#controller.abort(new Error("The answer is not read any further."));
  }

  #resume(): void {
    if (this.#controller.paused) this.#controller.resume();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
