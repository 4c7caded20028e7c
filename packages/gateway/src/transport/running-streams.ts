/** The streams that are under way, so that those of a key that may not call any more can be ended. */
import type { Caller, Refusal } from "../ports.ts";
import { StreamEndedError } from "./stream-end.ts";

type Stream = Pick<Caller, "apiKeyId" | "userId"> & { end: (error: StreamEndedError) => void };

export type RunningStreams = {
  /** Returns what is to be called when the stream is over. */
  add(stream: Stream): () => void;
  /** The keys of all of them, each once. */
  apiKeyIds(): string[];
  /** Ends all streams of a key; each is settled by what has come of it. Answers how many there were. */
  end(apiKeyId: string, refusal: Refusal): number;
};

export function createRunningStreams(): RunningStreams {
  const streams = new Set<Stream>();
  return {
    add: (stream) => {
      streams.add(stream);
      return () => void streams.delete(stream);
    },
    apiKeyIds: () => [...new Set([...streams].map(({ apiKeyId }) => apiKeyId))],
    end: (apiKeyId, refusal) => {
      const ended = [...streams].filter((stream) => stream.apiKeyId === apiKeyId);
      for (const { end } of ended) end(new StreamEndedError(refusal));
      return ended.length;
    },
  };
}
