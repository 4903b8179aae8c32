/**
 * Writes the tables of the pages anew: what is compatible from the registries, what was measured from its record. `--check` only
 * compares.
 */
import { fileURLToPath } from "node:url";
import { blockOf, withBlock } from "./tables/blocks.ts";
import { compatibility, compatibilityInShort } from "./tables/compatibility.ts";

const ROOT = new URL("..", import.meta.url);

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

/** A part of a page that is made of something else. */
interface Table {
  readonly page: string;
  /** What stands in the comments around it. */
  readonly name: string;
  readonly make: () => string | Promise<string>;
}

/** The tables that there are. */
export const TABLES: readonly Table[] = [
  {
    page: "README.md",
    name: "speed",
    make: async () => blockOf(await read("bench/RESULTS.md"), "speed", "bench/RESULTS.md"),
  },
  { page: "README.md", name: "compatibility", make: compatibilityInShort },
  { page: "docs/compatibility.md", name: "compatibility", make: compatibility },
];

/** Lays Markdown out as `deno fmt` does. */
async function formatted(text: string): Promise<string> {
  const format = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "--line-width=100", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = format.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { stdout } = await format.output();
  return new TextDecoder().decode(stdout).trim();
}

/** A page as it should be. */
export async function upToDate(page: string): Promise<string> {
  let text = await read(page);
  for (const { name, make } of TABLES.filter((table) => table.page === page)) {
    text = withBlock(text, name, await formatted(await make()), page);
  }
  return text;
}

if (import.meta.main) {
  const pages = new Set(TABLES.map(({ page }) => page));
  for (const page of pages) {
    const [now, written] = await Promise.all([read(page), upToDate(page)]);
    if (!Deno.args.includes("--check")) {
      await Deno.writeTextFile(fileURLToPath(new URL(page, ROOT)), written);
    } else if (now !== written) {
      console.log(`${page} is old: run deno task tables`);
      Deno.exitCode = 1;
    }
  }
}
