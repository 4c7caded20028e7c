/**
 * Says where in a request text, pictures, files, pointers and tools stand. A place is what a value is read as; the names of
 * its members lead to other places. Where a body may say anything (schemas, arguments, metadata) nothing is looked for:
 * that is text. Below a name that is not known, pointers and pictures are looked for all the same: what a provider may read
 * there is not ours to guess. Of a whole member of the body that is not known, only pointers at stored objects are.
 */

/** What a member's value is, beyond the place that its own members are read as. */
export const reads = {
  nothing: 0,
  /** It decides something where it stands: said twice it is refused. */
  once: 1,
  /** Names an object that lies with the provider. */
  stored: 2,
  storedList: 3,
  /** An address from which the provider fetches something. */
  remote: 4,
  /** An address or a data URL of a picture; or its bare base64. */
  picture: 5,
  barePicture: 6,
  file: 7,
  audio: 8,
  detail: 9,
  type: 10,
  role: 11,
  id: 12,
  encrypted: 13,
  /** The container that an earlier call ran in. */
  container: 14,
  /** A member of a tool whose value is looked at later. */
  ofTool: 15,
} as const;

export type Read = (typeof reads)[keyof typeof reads];

/** Null is the place of text: nothing below it is looked at. */
export type Place = {
  readonly name: "content" | "item" | "tool" | "other";
  /** By the number of a name. */
  readonly reads: readonly Read[];
  readonly next: readonly (Place | null)[];
  /** Of members whose names are not known. */
  readonly unknown: Place | null;
  readonly element: Place | null;
  readonly elementReads: Read;
};

type Member = Read | readonly [Read, Place | null];
type Members = Readonly<Record<string, Member>>;

/** Members whose text is the client's own, whatever it looks like. */
const free = (names: string): Members =>
  Object.fromEntries(names.split(" ").map((name) => [name, [reads.nothing, null]]));

const ids = new Map<string, number>();
const places: { place: MutablePlace; members: Members }[] = [];
type MutablePlace = { -readonly [Key in keyof Place]: Place[Key] } & { reads: Read[]; next: (Place | null)[] };

function define(name: Place["name"], list: Partial<Pick<Place, "unknown" | "element" | "elementReads">> = {}) {
  const place: MutablePlace = { name, reads: [], next: [], unknown: null, element: null, elementReads: 0, ...list };
  const fill = (members: Members): Place => {
    for (const each in members) if (!ids.has(each)) ids.set(each, ids.size);
    places.push({ place, members });
    return place;
  };
  return { place, fill };
}

const storedIds = define("other", { elementReads: reads.stored });
const voice = define("other");
const image = define("other", { elementReads: reads.picture });
const audio = define("other");
const content = define("content");
const item = define("item");
const extra = define("other");
const tool = define("tool");
const container = define("other");

for (const { place } of [content, image, audio, tool, container, item]) place.unknown = content.place;
for (const { place } of [content, image, audio, container]) place.element = place;
for (const { place } of [tool, item, extra]) place.element = place;
extra.place.unknown = extra.place;

/** Stored objects, by every name that they go by. */
const stored: Members = {
  file_id: reads.stored,
  file_ids: [reads.storedList, storedIds.place],
  vector_store_id: reads.stored,
  vector_store_ids: [reads.storedList, storedIds.place],
  skill_id: reads.stored,
};

/** Parts of a message, messages, and what else stands in a model's context. */
const part: Members = {
  ...stored,
  content: [reads.once, content.place],
  output: [reads.once, content.place],
  summary: [reads.once, content.place],
  file: [reads.once, content.place],
  source: [reads.once, content.place],
  image_url: [reads.picture, image.place],
  image: [reads.picture, image.place],
  url: [reads.remote, content.place],
  file_url: [reads.remote, content.place],
  video_url: [reads.remote, content.place],
  audio_url: [reads.remote, content.place],
  file_data: [reads.file, content.place],
  input_audio: [reads.once, audio.place],
  audio: [reads.once, audio.place],
  result: [reads.barePicture, content.place],
  detail: reads.detail,
  type: reads.type,
  role: reads.role,
  id: reads.id,
  encrypted_content: reads.encrypted,
  container_id: reads.container,
  tools: [reads.once, tool.place],
  ...free(
    "text refusal name arguments input annotations logprobs action actions attributes results metadata tool_calls",
  ),
  ...free("function_call call_id tool_call_id queries code schema input_schema parameters status phase"),
};

content.fill(part);
extra.fill(stored);
item.fill(part);
storedIds.fill({});
voice.fill({ id: reads.stored });
image.fill({ ...part, url: [reads.picture, image.place] });
audio.fill({ ...part, id: reads.stored, data: reads.audio, format: reads.once });
container.fill({
  ...part,
  container_id: reads.stored,
  type: reads.once,
  memory_limit: reads.once,
  ...free("network_policy"),
});
tool.fill({
  ...stored,
  type: reads.ofTool,
  container: [reads.ofTool, container.place],
  environment: [reads.ofTool, container.place],
  tools: [reads.once, tool.place],
  input_image_mask: [reads.once, content.place],
  ...free("function custom parameters format name description strict input_schema output_schema schema filters"),
  ...free(
    "user_location headers allowed_tools require_approval server_url server_label server_description annotations",
  ),
  ...free("connector_id authorization ranking_options defer_loading metadata"),
});
const options = define("other").fill({ include_usage: reads.once, ttl: reads.once, id: reads.once });
const soundOut = define("other").fill({ voice: [reads.once, voice.place], ...free("format") });

/** What a top-level member of a body can be. */
export const topLevel = {
  content: content.place,
  extra: extra.place,
  items: item.place,
  tools: tool.place,
  soundOut,
  options,
  text: null,
} as const;

export type TopLevel = keyof typeof topLevel;

const nameCount = ids.size;
/** Words of 32 bits that hold one bit for each name. */
export const nameWords = Math.ceil(nameCount / 32);
for (const { place, members } of places) {
  place.reads = Array<Read>(nameCount).fill(reads.nothing);
  place.next = Array<Place | null>(nameCount).fill(place.unknown);
  for (const each in members) {
    const id = ids.get(each) as number;
    const member = members[each] as Member;
    [place.reads[id], place.next[id]] = typeof member === "number" ? [member, null] : [member[0], member[1]];
  }
}

type Named = { bytes: Buffer; id: number };
const byLength: Named[][] = [];
for (const [name, id] of ids) (byLength[name.length] ??= []).push({ bytes: Buffer.from(name), id });

/** Added to the number of a name that is written with capitals: some servers read it as the same name, and others do not. */
export const isVariant = 0x4000;

/** The number of a name that means something somewhere; -1: it means nothing. */
export function findName(bytes: Buffer, start: number, end: number): number {
  const candidates = byLength[end - start];
  if (candidates === undefined) return -1;
  for (const { bytes: name, id } of candidates) {
    const match = matchName(name, bytes, start);
    if (match !== none) return match === exact ? id : id | isVariant;
  }
  return -1;
}

const none = 0;
const exact = 1;
const folded = 2;

function matchName(name: Buffer, bytes: Buffer, start: number): number {
  let match = exact;
  for (let at = 0; at < name.length; at++) {
    const byte = bytes[start + at] as number;
    if (byte === name[at]) continue;
    // An underscore is no letter, and its bit for lower case is set in another character.
    if (byte < 0x41 || byte > 0x5a || (byte | 0x20) !== name[at]) return none;
    match = folded;
  }
  return match;
}

/** The longest name has so many bytes, each written as an escape of six. */
export const maxEscapedNameBytes = 6 * byLength.length;

/** The text of a name as servers that fold case see it. */
export const foldName = (name: string): string => name.replaceAll("ſ", "s").replaceAll("K", "k").toLowerCase();

const allNames = [...ids.keys()];
export const nameOf = (id: number): string => allNames[id] as string;
