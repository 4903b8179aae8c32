/** Makes `docs/tour.md` of the tour's own words and of what the program writes: `deno run -A tests/repl/_tour_page.ts`. */
import { TOUR, TOUR_END } from "../../repl/tour.ts";
import { runProgram } from "./_program.ts";

/** The page, in this repository. */
export const PAGE = new URL("../../docs/tour.md", import.meta.url);

const HEAD = `# A tour of the interactive program

How the embedded model finds who gets the bag: the circuit of indirect objects, in a dozen commands.
\`deno task repl\` opens the program, and \`tour\` inside walks through the same steps; Enter goes on,
and anything can be tried in between.

![The program in a terminal](images/repl.png)

What is shown here is what the program writes without colours; a test compares it with what it
writes today. Milliseconds are those of the machine that wrote the page.
`;

/** Wraps prose as the formatter does. */
function wrapped(text: string): string {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + word.length + 1 > 100) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join("\n");
}

/** Runs the tour's commands and makes the page of what they write. */
export async function tourPage(): Promise<string> {
  const MARK = "=== next ===";
  const lines = TOUR.flatMap(({ line }) => [line, `console.log(${JSON.stringify(MARK)})`]);
  const { out, code, err } = await runProgram([], lines);
  if (code !== 0) throw new Error(err);
  const outputs = out.split(`${MARK}\n`);
  const steps = TOUR.map(({ say, line }, i) =>
    `## ${i + 1}. \`${line}\`\n\n${wrapped(say)}\n\n\`\`\`\nsplicer> ${line}\n${
      outputs[i].trimEnd()
    }\n\`\`\`\n`
  );
  return `${HEAD}\n${steps.join("\n")}\n${wrapped(TOUR_END)}\n`;
}

if (import.meta.main) await Deno.writeTextFile(PAGE, await tourPage());
