/** Runs the TypeScript of pages: a block with imports begins a program, the blocks after it go on with it. */
import { fileURLToPath } from "node:url";
import { runToEnd } from "../_run.ts";
import { type Block, type Page, ROOT } from "./_pages.ts";

/** A block of TypeScript and what the page says that it prints. */
export interface Listing {
  /** Page and line. */
  readonly place: string;
  /** The line of its opening fence. */
  readonly line: number;
  readonly text: string;
  /** The block of text behind it, which is the whole of what it prints. */
  readonly output: string | undefined;
}

/** A program in one or several blocks. */
export type Program = readonly Listing[];

const isCode = ({ language }: Block) => language === "ts";

/** The programs of a page. */
export function programsOf({ path, blocks }: Page): Program[] {
  const programs: Listing[][] = [];
  blocks.forEach((block, i) => {
    if (!isCode(block)) return;
    const next = blocks[i + 1];
    const output = next?.language === "text" ? next.text : undefined;
    const { line, text } = block;
    const listing = { place: `${path}:${line}`, line, text, output };
    if (/^import /m.test(block.text) || programs.length === 0) programs.push([listing]);
    else programs.at(-1)!.push(listing);
  });
  return programs;
}

/** What stands in comments behind a listing's calls of `console.log`. */
export function expectations({ text }: Listing): string[] {
  return Array.from(text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm), ([, comment]) => comment);
}

const MARK = "\u0001";

/** The program with marks between its blocks. */
function sourceOf(program: Program): string {
  const source = program.map(({ text }) => `${text}\nconsole.log(${JSON.stringify(MARK)});\n`);
  return source.join("").replaceAll(
    /from "(?:@splicer\/splicer|(?:\.\.?\/)+mod\.ts)"/g,
    `from ${JSON.stringify(new URL("mod.ts", ROOT).href)}`,
  );
}

/**
 * Runs programs, one after another, in a folder of their own.
 *
 * @param check Whether types are checked too, which takes longer than the programs.
 * @returns What each printed, a call of `console.log` an entry, by program and block.
 * @throws {Error} If a type is wrong or a program throws.
 */
export async function runPrograms(
  programs: readonly Program[],
  { check = false }: { check?: boolean } = {},
): Promise<string[][][]> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_docs_" });
  try {
    const steps = await Promise.all(programs.map(async (program, i) => {
      await Deno.writeTextFile(`${folder}/${i}.ts`, sourceOf(program));
      return `current = ${i}; await import("./${i}.ts");`;
    }));
    const runner = `import { formatWithOptions } from "node:util";
const printed: string[] = [];
const all: string[][] = [];
let current = 0;
const places = ${JSON.stringify(programs.map(([{ place }]) => place))};
const { log } = console;
console.log = (...values) => {
  printed.push(formatWithOptions({ colors: false }, ...values));
};
try {
${steps.map((step) => `${step} all.push(printed.splice(0));`).join("\n")}
} catch (cause) {
  throw new Error("The program at " + places[current], { cause });
}
log(JSON.stringify(all));
`;
    await Deno.writeTextFile(`${folder}/run.ts`, runner);
    const config = ["--no-lock", `--config=${fileURLToPath(new URL("deno.json", ROOT))}`];
    const { code, out, err } = await runToEnd(Deno.execPath(), [
      "run",
      "--quiet",
      check ? "--check" : "--no-check",
      "--no-prompt",
      ...config,
      "--allow-read",
      "--allow-write=.",
      `${folder}/run.ts`,
    ], { cwd: folder });
    if (code !== 0) throw new Error(`A program of the pages failed:\n${err}${out}`);
    const printed: string[][] = JSON.parse(out);
    return printed.map((lines) => {
      const blocks: string[][] = [[]];
      for (const line of lines) {
        if (line === MARK) blocks.push([]);
        else blocks.at(-1)!.push(line);
      }
      return blocks.slice(0, -1);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
