/** All attacks, in the order of docs/security.md. */
import type { Attack } from "./attack.ts";
import { bigForms } from "./big-forms.ts";
import { changePassword } from "./change-password.ts";
import { commaBatches } from "./comma-batches.ts";
import { controlWords } from "./control-words.ts";
import { embeddingArrays } from "./embedding-arrays.ts";
import { failingModels } from "./failing-models.ts";
import { halfBodies } from "./half-bodies.ts";
import { heavyBodies } from "./heavy-bodies.ts";
import { hugeBounds } from "./huge-bounds.ts";
import { invalidJson } from "./invalid-json.ts";
import { lockedWallet } from "./locked-wallet.ts";
import { longPrompts } from "./long-prompts.ts";
import { oddCookies } from "./odd-cookies.ts";
import { oddDates } from "./odd-dates.ts";
import { parallelTopUps } from "./parallel-top-ups.ts";
import { pipelinedRequests } from "./pipelined-requests.ts";
import { registrations } from "./registrations.ts";
import { slowReaders } from "./slow-readers.ts";
import { unreadSockets } from "./unread-sockets.ts";
import { upstreamFloods } from "./upstream-floods.ts";
import { wrongKeys } from "./wrong-keys.ts";
import { wrongLogIns } from "./wrong-log-ins.ts";

export const attacks: readonly Attack[] = [
  // Strangers
  bigForms,
  unreadSockets,
  pipelinedRequests,
  wrongLogIns,
  registrations,
  oddCookies,
  commaBatches,
  wrongKeys,
  // Users and their keys
  controlWords,
  invalidJson,
  failingModels,
  hugeBounds,
  heavyBodies,
  halfBodies,
  longPrompts,
  embeddingArrays,
  slowReaders,
  changePassword,
  oddDates,
  // Admins, upstreams, databases
  parallelTopUps,
  upstreamFloods,
  lockedWallet,
];
