/** Progress of streams, gathered and written together; losing some of it costs an estimate, not a charge. */
import type { Database } from "@codex-gateway/db";
import { storableText } from "../clamp.ts";

type Progress = {
  id: string;
  upstreamResponseId: string | null;
  observedOutputTokens: number;
  estimatedInputTokens: number;
};

export type Checkpoints = { note(progress: Progress): void };

export function createCheckpoints({ pool }: Pick<Database, "pool">): Checkpoints {
  let waiting = new Map<string, Progress>();
  let isRunning = false;

  async function flush(): Promise<void> {
    while (waiting.size > 0) {
      const items = [...waiting.values()].map((progress) => ({
        id: progress.id,
        // One that jsonb refuses would lose the progress of all that are written with it.
        upstream_response_id: progress.upstreamResponseId === null ? null : storableText(progress.upstreamResponseId),
        observed_output_tokens: progress.observedOutputTokens,
        estimated_input_tokens: progress.estimatedInputTokens,
      }));
      waiting = new Map();
      // Without the database the newest progress of each stream comes again in 2 s.
      await pool.query("SELECT checkpoint_holds($1::jsonb)", [JSON.stringify(items)]).catch(() => undefined);
    }
    isRunning = false;
  }

  return {
    note: (progress) => {
      waiting.set(progress.id, progress);
      if (isRunning) return;
      isRunning = true;
      flush().catch(() => undefined); // It catches what can fail.
    },
  };
}
