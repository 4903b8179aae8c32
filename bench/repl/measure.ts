/**
 * The interactive program as a user feels it: from the start to the prompt, and from the last key of a line to the table, in a
 * pseudo-terminal.
 */
import { fileURLToPath } from "node:url";
import { median } from "../_median.ts";
import { markdownTable } from "../_table.ts";
import { PtyProgram } from "./_pty.ts";

const MAIN = fileURLToPath(new URL("../../repl/main.ts", import.meta.url));

const PROMPT = "splicer> ";

/** How often a line is typed for each repetition. */
const TIMES = 8;

/** Lines that end in a table, each with what it must say. */
const LINES: readonly (readonly [line: string, says: string])[] = [
  ["ablate 1.z.sae 969 @10", "19.17"],
  ["scale 2.z h1 by 2", "ran "],
  [
    'patch 2.resid_pre @10 from "When John and Mary went to the shops, Mary gave the bag to"',
    "ran ",
  ],
  ["cut 3.3 @-1 from @10", "ran "],
  ["undo 99", "23.26"],
  ["features @10", "969"],
  ["attr", "first order"],
  ["sweep 1.z.sae @10", "16 variants"],
];

/** Starts the program, and gives the milliseconds until its prompt. */
async function start(): Promise<{ program: PtyProgram; ms: number }> {
  const started = performance.now();
  const program = new PtyProgram(`'${Deno.execPath()}' run --quiet -A '${MAIN}'`, {
    SPLICER_HISTORY: "",
    NO_COLOR: "1",
    TERM: "xterm",
  });
  await program.until(PROMPT);
  return { program, ms: performance.now() - started };
}

/** Types a line without its end, then Enter, and gives the milliseconds from there until the prompt is back. */
async function answerTime(program: PtyProgram, line: string, says: string): Promise<number> {
  await program.type(line);
  // The terminal shows what was typed: only then is the last key pressed.
  await program.until(line.slice(-4));
  const pressed = performance.now();
  await program.type("\r");
  const text = await program.until(PROMPT);
  const ms = performance.now() - pressed;
  if (!text.includes(says)) throw new Error(`"${line}" was to say "${says}", but said:\n${text}`);
  return ms;
}

/** What was measured of one line. */
interface Measured {
  readonly name: string;
  readonly times: readonly number[];
}

function row({ name, times }: Measured): (string | number)[] {
  const shown = (ms: number) => Number(ms.toFixed(1));
  return [
    name,
    times.length,
    shown(Math.min(...times)),
    shown(median(times)),
    shown(Math.max(...times)),
  ];
}

/**
 * Measures the program.
 *
 * @param reps How often it is started; lines are typed several times in each.
 * @returns A table in Markdown.
 */
export async function measureRepl(reps: number): Promise<string> {
  const starts: number[] = [];
  const answers = new Map<string, number[]>(LINES.map(([line]) => [line, []]));
  for (let rep = 0; rep < reps; rep++) {
    const { program, ms } = await start();
    await using _program = program;
    starts.push(ms);
    for (let time = 0; time < TIMES; time++) {
      for (const [line, says] of LINES) {
        const ms = await answerTime(program, line, says);
        // The first round compiles what runs for the first time.
        if (time > 0) answers.get(line)!.push(ms);
      }
    }
  }
  const rows = [
    { name: "start to prompt", times: starts },
    ...[...answers].map(([line, times]) => ({ name: `\`${line}\` to prompt`, times })),
  ];
  return [
    "# The interactive program",
    "",
    "Milliseconds in a pseudo-terminal, embedded model: from the start of the process, or from the Enter key, until the prompt is there.",
    `The machine's load was ${Deno.loadavg()[0].toFixed(1)} at the end.`,
    "",
    markdownTable(["what", "times", "least", "median", "most"], rows.map(row)),
    "",
  ].join("\n");
}
