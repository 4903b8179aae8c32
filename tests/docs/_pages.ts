/** The pages of the project, their blocks of code and their headings. */
import { fileURLToPath } from "node:url";

export const ROOT = new URL("../../", import.meta.url);

/** A fenced block. */
export interface Block {
  /** What stands after the opening fence. */
  readonly language: string;
  readonly text: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
  /** How many lines stand between the fences. */
  readonly nLines: number;
}

/** One page. */
export interface Page {
  /** Its path from the root. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** The text without its blocks. */
  readonly prose: string;
}

/** Reads the blocks of a page. */
export function pageOf(path: string, text: string): Page {
  const blocks: Block[] = [];
  const prose: string[] = [];
  let open: { fence: string; language: string; line: number; lines: string[] } | undefined;
  text.split("\n").forEach((line, i) => {
    const fence = /^ *(```+)(.*)$/.exec(line);
    if (open === undefined && fence) {
      open = { fence: fence[1], language: fence[2].trim(), line: i + 1, lines: [] };
    } else if (open && fence?.[1] === open.fence && fence[2] === "") {
      const { language, line, lines } = open;
      blocks.push({ language, line, nLines: lines.length, text: lines.join("\n") });
      open = undefined;
    } else (open?.lines ?? prose).push(line);
  });
  if (open) throw new Error(`${path}:${open.line}: the block isn't closed.`);
  return { path, text, blocks, prose: prose.join("\n") };
}

function read(path: string): Page {
  return pageOf(path, Deno.readTextFileSync(new URL(path, ROOT)));
}

function pagesIn(folder: string): string[] {
  return [...Deno.readDirSync(fileURLToPath(new URL(folder, ROOT)))]
    .filter(({ name }) => name.endsWith(".md")).map(({ name }) => `${folder}${name}`).sort();
}

/** The pages that people read, the README first. */
export function allPages(): Page[] {
  return [
    "README.md",
    ...pagesIn("docs/"),
    "examples/edge/README.md",
    "examples/playground/README.md",
    "models/ioi-tiny/README.md",
    "bench/RESULTS.md",
    "CHANGELOG.md",
  ].map(read);
}

/** The anchors that the headings of a page can be reached by, as GitHub makes them. */
export function anchorsOf({ prose }: Page): string[] {
  const counts = new Map<string, number>();
  return Array.from(prose.matchAll(/^#{1,6} (.+)$/gm), ([, heading]) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").replaceAll("`", "");
    const anchor = plain.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}
