import { assert, assertEquals } from "@std/assert";
import { assertSameNumbers, assertSameOutput, wordsOf } from "../_written_output.ts";
import { allPages, ROOT } from "./_pages.ts";
import { isSession, writtenSessions } from "./_sessions.ts";
import { expectations, type Listing, programsOf, runPrograms } from "./_programs.ts";

const PAGES = allPages();
/** Pages that are made and tested by programs of their own. */
const MADE = new Set(["docs/tour.md"]);

/** Asserts that a comment begins with what was printed; what follows explains it. */
function assertSaid(comment: string, printed: string): void {
  const [said, words] = [wordsOf(comment), wordsOf(printed)];
  const isWhole = said.startsWith(words) && /^($|[:;, ])/.test(said.slice(words.length));
  assert(isWhole, `The page says "${comment}", the program printed "${printed}"`);
  assertSameNumbers(comment, printed);
}

function assertPrints(listing: Listing, printed: string[]): void {
  try {
    const { output } = listing;
    if (output !== undefined) return assertSameOutput(output, printed.join("\n"));
    const comments = expectations(listing);
    assertEquals(printed.length, comments.length, printed.join("\n"));
    comments.forEach((comment, i) => assertSaid(comment, printed[i]));
  } catch (cause) {
    throw new Error(`${listing.place}: ${cause instanceof Error ? cause.message : cause}`);
  }
}

Deno.test("the pages' TypeScript runs, and prints what they say", async () => {
  const programs = PAGES.flatMap(programsOf);
  const printed = await runPrograms(programs);
  programs.forEach((program, i) =>
    program.forEach((listing, block) => assertPrints(listing, printed[i][block]))
  );
});

for (const { path, blocks } of PAGES.filter(({ path }) => !MADE.has(path))) {
  const sessions = blocks.filter(isSession);
  if (sessions.length === 0) continue;
  Deno.test(`the sessions of ${path} are what the interactive program writes`, async () => {
    const today = await writtenSessions(sessions);
    sessions.forEach(({ text }, i) => assertSameOutput(text.trimEnd(), today[i]));
  });
}

Deno.test("the pages' blocks are of kinds that are tested", () => {
  // Diagrams and shell commands aren't run here; the latter's tasks are looked up below.
  const kinds = new Set(["ts", "text", "sh", "json", "mermaid"]);
  const others = PAGES.flatMap(({ path, blocks }) =>
    blocks.filter((block) => !kinds.has(block.language) && !isSession(block))
      .map(({ line }) => `${path}:${line}`)
  );
  assertEquals(others, []);
  for (const { blocks } of PAGES) {
    for (const { language, text } of blocks) if (language === "json") JSON.parse(text);
  }
});

Deno.test("tasks, versions and files that the pages name are there", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const wrong: string[] = [];
  for (const { path, text, blocks } of PAGES.filter(({ path }) => path !== "CHANGELOG.md")) {
    for (const [, task] of text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z]+)/g)) {
      if (!Object.hasOwn(tasks, task)) wrong.push(`${path}: the task ${task}`);
    }
    for (const [, version] of text.matchAll(/\bdeno@(\d[\w.]*)/g)) {
      if (version !== Deno.version.deno) wrong.push(`${path}: deno@${version}`);
    }
    const shell = blocks.filter(({ language }) => language === "sh").map(({ text }) => text);
    for (
      const [file] of shell.join("\n").matchAll(/\b(?:examples|tests|repl|tools|bench)\/[\w/.-]+/g)
    ) {
      try {
        await Deno.stat(new URL(file, ROOT));
      } catch {
        wrong.push(`${path}: ${file}`);
      }
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the picture of rows shows those that the run beside it computed", async () => {
  const picture = await Deno.readTextFile(new URL("docs/images/rows.svg", ROOT));
  const page = await Deno.readTextFile(new URL("docs/how-it-works.md", ROOT));
  const [, nRan] = page.match(/model\.ran\.rows\); \/\/ 1\.attn_out (\d+)$/m) ?? [];
  const [, nAll] = page.match(/model\.ran\.rows\); \/\/ null (\d+):/) ?? [];
  const count = (name: string) => picture.split(`<rect class="${name}"`).length - 1;
  assertEquals([count("ran"), count("ran") + count("idle")], [Number(nRan), Number(nAll)]);
});
