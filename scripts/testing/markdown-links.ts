/** Reads the links and headings of Markdown pages, as far as whether a link leads somewhere depends on them. */
import path from "node:path";

export type Repository = {
  exists: (file: string) => boolean;
  /** Null where it is a folder, or not there. */
  read: (file: string) => string | null;
};

/** Returns the relative links of the page that lead nowhere, as they are written. */
export function brokenLinks(page: string, repository: Repository): string[] {
  return linksOf(repository.read(page) ?? "").filter((link) => !leadsSomewhere(page, link, repository));
}

/** Returns the anchors of a page's headings, as GitHub makes them: a second one of a name has -1 behind it. */
export function headingAnchors(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutFences(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = ""]) => {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

function leadsSomewhere(page: string, link: string, { exists, read }: Repository): boolean {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? page : path.posix.join(path.posix.dirname(page), decodeURIComponent(target));
  if (file.startsWith("..") || !exists(file.replace(/\/$/, ""))) return false;
  if (anchor === undefined || !file.endsWith(".md")) return true;
  return headingAnchors(read(file) ?? "").includes(decodeURIComponent(anchor));
}

function linksOf(text: string): string[] {
  const prose = withoutFences(text).replace(/`[^`\n]*`/g, "");
  const inline = [...prose.matchAll(/\]\((?:<([^>]*)>|([^\s)]+))[^)]*\)/g)].map(([, angled, plain]) => angled ?? plain);
  const defined = [...prose.matchAll(/^ {0,3}\[[^\]]+\]: +<?([^\s>]+)/gm)].map(([, target]) => target);
  return [...inline, ...defined].filter((link) => link !== undefined).filter((link) => !/^([a-z+]+:|\/\/)/i.test(link));
}

const withoutFences = (text: string): string => text.replace(/^( *)(```+|~~~+)[^\n]*\n[\s\S]*?^\1\2[^\n]*$/gm, "");
