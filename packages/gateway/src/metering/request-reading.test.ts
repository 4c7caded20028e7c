/**
 * Holds the reader and its upstreams to the same reading. A request is made as a list of members, so that it can be seen as
 * parsers see it that take the last of two equal members, or the first, or read names without regard to capitals. What the
 * reader accepts must be one and the same for all of them, and for the reader.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { endpoints } from "../endpoints/index.ts";
import { BodyError } from "../transport/body-error.ts";
import { isHostedTool } from "./hosted-tools.ts";
import { scanBody } from "./scan-body.ts";

type Json = string | number | boolean | null | Json[] | Members;
type Members = { members: [name: string, value: Json][] };
type Parsed = string | number | boolean | null | Parsed[] | { [name: string]: Parsed };

const responses = endpoints.find(({ name }) => name === "responses")!;

const isMembers = (value: Json): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fold = (members: Members["members"]) =>
  members.map(([name, value]): [string, Json] => [name.toLowerCase().replaceAll("\u017f", "s"), value]);

const parsers = {
  last: (members: Members["members"]) => members,
  first: (members: Members["members"]) => members.toReversed(),
  folding: (members: Members["members"]) => fold(members),
  foldingFirst: (members: Members["members"]) => fold(members).toReversed(),
};

function parse(value: Json, seen: (members: Members["members"]) => Members["members"]): Parsed {
  if (Array.isArray(value)) return value.map((each) => parse(each, seen));
  if (!isMembers(value)) return value;
  return Object.fromEntries(seen(value.members).map(([name, each]) => [name, parse(each, seen)]));
}

/** What a provider that knows OpenAI's API finds in a request. */
type Found = { pictures: string[]; remotes: number; hosted: string[]; isStored: boolean };

type Where = "content" | "item" | "picture" | "tool";
const isGiven = (value: Parsed | undefined) => value !== undefined && value !== null;
const isScalar = (value: Parsed | undefined) => isGiven(value) && typeof value !== "object";

const storedNames = new Set(["file_id", "file_ids", "vector_store_ids", "skill_id"]);
/** Members in which a client writes what it likes, or a word of the API. */
const closed: Record<Where, Set<string>> = {
  content: new Set("text arguments parameters annotations metadata type id role detail".split(" ")),
  item: new Set("text arguments parameters annotations metadata type id role detail".split(" ")),
  picture: new Set("text arguments parameters annotations metadata type id role detail".split(" ")),
  tool: new Set("parameters annotations metadata type".split(" ")),
};

function find(body: { [name: string]: Parsed }): Found {
  const found: Found = { pictures: [], remotes: 0, hosted: [], isStored: false };

  function lookAt(value: Parsed | undefined, where: Where): void {
    if (Array.isArray(value)) {
      for (const each of value) {
        if (where === "picture" && isScalar(each)) found.pictures.push("auto");
        else lookAt(each, where);
      }
    } else if (typeof value === "object" && value !== null) lookInto(value, where);
  }

  function lookInto(value: { [name: string]: Parsed }, where: Where): void {
    if (where === "tool" && isHostedTool({ type: value.type })) found.hosted.push(value.type as string);
    if (where === "item" && value.type === "item_reference") found.isStored = true;
    if (where === "item" && isScalar(value.id) && !isScalar(value.type) && !isScalar(value.role)) found.isStored = true;
    if (where === "item" && value.type === "reasoning" && isScalar(value.id)) found.remotes++;
    const isPart = where === "content" || where === "item" || where === "picture";
    const { detail } = value;
    const ownDetail = where !== "tool" && typeof detail === "string" && ["low", "high", "original"].includes(detail);
    for (const name in value) {
      const each = value[name];
      if (closed[where].has(name)) continue;
      if (storedNames.has(name)) {
        const isList = name.endsWith("s") && Array.isArray(each);
        found.isStored ||= isList ? each.some(isGiven) : isGiven(each);
      } else if ((name === "image_url" && where !== "tool") || (name === "url" && where === "picture")) {
        if (isScalar(each)) found.pictures.push(ownDetail ? detail : "auto");
        else lookAt(each, "picture");
      } else if (isPart && (name === "url" || name === "file_url")) {
        if (isScalar(each)) found.remotes++;
        else lookAt(each, "content");
      } else if (name === "tools") lookAt(each, "tool");
      else lookAt(each, "content");
    }
  }

  lookAt(body.input, "item");
  lookAt(body.tools, "tool");
  lookAt(body.instructions, "content");
  return { ...found, pictures: found.pictures.toSorted(), hosted: found.hosted.toSorted() };
}

function readAs(text: string): Found | "refused" | "stored" {
  try {
    const body = scanBody(Buffer.from(text), responses.shape);
    responses.readRequest(body);
    const { pictures, remotes, tools } = body.findings;
    const hosted = tools
      .map(({ type }) => (type ? (JSON.parse(body.bytes.toString("utf8", type.start, type.end)) as unknown) : null))
      .filter((type) => isHostedTool({ type }));
    return {
      pictures: pictures.map(({ detail }) => detail).toSorted(),
      remotes,
      hosted: (hosted as string[]).toSorted(),
      isStored: false,
    };
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return /not offered/.test(error.message) ? "stored" : "refused";
  }
}

const names = fc.constantFrom(
  ...[
    "type",
    "id",
    "role",
    "content",
    "image_url",
    "url",
    "detail",
    "file_url",
    "file_id",
    "file_ids",
    "tools",
    "output",
  ],
  ...[
    "vector_store_ids",
    "arguments",
    "parameters",
    "text",
    "annotations",
    "unknown",
    "metadata",
    "Image_URL",
    "\u017fkill_id",
  ],
);
const words = fc.constantFrom(
  ...["message", "item_reference", "reasoning", "input_image", "function", "web_search", "mcp", "namespace", "shell"],
  ...["user", "low", "high", "auto", "https://x.example/a", "data:image/png;base64,AAAA", "", 'a "file_id": "b"'],
);
const scalars = fc.oneof({ weight: 6, arbitrary: words }, fc.constantFrom<Json>(null, true, 1, -2.5e3));
const { value: values } = fc.letrec<{ value: Json; members: Members }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalars,
    fc.array(tie("value"), { maxLength: 3 }),
    tie("members"),
  ),
  members: fc.record({ members: fc.array(fc.tuple(names, tie("value")), { maxLength: 4 }) }),
}));
const requests = fc
  .array(fc.tuple(fc.constantFrom("input", "tools", "instructions", "metadata", "text"), values), {
    maxLength: 4,
  })
  .map((members): Members => ({ members: [["model", "m"], ...members] }));

/** Each character as it is, or as one of its escapes; blanks between. */
function write(value: Json, random: () => number): string {
  const blank = () => ["", "", " ", "\n\t"][random() % 4] as string;
  const text = (plain: string) =>
    `"${Array.from(plain)
      .map((each) =>
        random() % 8 === 0
          ? `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`
          : JSON.stringify(each).slice(1, -1),
      )
      .join("")}"`;
  const writeOne = (each: Json): string => {
    if (typeof each === "string") return text(each);
    if (Array.isArray(each)) return `[${blank()}${each.map(writeOne).join(`${blank()},`)}]`;
    if (!isMembers(each)) return JSON.stringify(each);
    return `{${each.members.map(([name, one]) => `${blank()}${text(name)}${blank()}:${blank()}${writeOne(one)}`).join(",")}${blank()}}`;
  };
  return writeOne(value);
}

function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8;
}

/** Whether a member is said twice that decides nothing where it stands: both of them are looked into. */
function repeats(value: Json): boolean {
  if (Array.isArray(value)) return value.some(repeats);
  if (!isMembers(value)) return false;
  const folded = fold(value.members).map(([name]) => name);
  return new Set(folded).size < folded.length || value.members.some(([, each]) => repeats(each));
}

/** Whether the second list has all that is in the first. */
function isWithin(few: string[], many: string[]): boolean {
  const left = [...many];
  return few.every((each) => left.includes(each) && left.splice(left.indexOf(each), 1));
}

test("what is accepted is the same for every parser and for the one who bills; what is refused as stored is stored", () => {
  let accepted = 0;
  fc.assert(
    fc.property(requests, fc.integer(), (request, seed) => {
      const read = readAs(write(request, randomOf(seed)));
      if (read === "refused") return;
      const views = Object.values(parsers).map((seen) => find(parse(request, seen) as { [name: string]: Parsed }));
      if (read === "stored") {
        expect(repeats(request) || views.some(({ isStored }) => isStored)).toBe(true);
        return;
      }
      accepted++;
      for (const view of views) {
        expect(view.isStored).toBe(false);
        expect(isWithin(view.hosted, read.hosted)).toBe(true);
        expect(view.pictures.length + view.remotes).toBeLessThanOrEqual(read.pictures.length + read.remotes);
      }
      // Said once, everything is what it is, whoever reads it.
      if (!repeats(request)) expect(read).toEqual(views.at(-1));
    }),
    { numRuns: 20_000 },
  );
  expect(accepted).toBeGreaterThan(1_000);
});
