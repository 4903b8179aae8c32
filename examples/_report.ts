/** What the demo says as it goes, and the page and the numbers that it leaves behind. */
import {
  htmlPage,
  type PageSection,
  type PageTable,
  type ReadProgress,
  type Tensor,
} from "../mod.ts";

/** Width of running text in the terminal, in characters. */
const TEXT_WIDTH = 88;

/** A tensor in JSON. */
interface JsonTensor {
  shape: readonly number[];
  /** Row-major elements; null where one isn't finite. */
  data: (number | null)[];
}

const isTerminal = Deno.stdout.isTerminal();

function styled(code: number, text: string): string {
  return isTerminal && !Deno.noColor ? `\x1b[${code}m${text}\x1b[0m` : text;
}

function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (longer.length <= TEXT_WIDTH || lines.at(-1) === "") lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** A table's lines: texts to the left, numbers to the right with as many decimals as their column needs. */
function tableText({ columns, rows }: PageTable): string {
  const texts = columns.map((_, j) => {
    const isWhole = rows.every((row) => typeof row[j] === "string" || Number.isInteger(row[j]));
    return rows.map((row) => {
      const cell = row[j];
      return typeof cell === "string" ? cell : cell.toFixed(isWhole ? 0 : 3);
    });
  });
  const widths = columns.map((name, j) => Math.max(name.length, ...texts[j].map((t) => t.length)));
  const isNumeric = columns.map((_, j) => rows.some((row) => typeof row[j] === "number"));
  const line = (cells: readonly string[]) =>
    `  ${
      cells.map((cell, j) => isNumeric[j] ? cell.padStart(widths[j]) : cell.padEnd(widths[j])).join(
        "  ",
      )
    }`.trimEnd();
  return [styled(2, line(columns)), ...rows.map((_, i) => line(texts.map((column) => column[i])))]
    .join("\n");
}

/** Writes a float32 with nine digits, enough to bring back the same float32. */
function shortFloat(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(9)) : null;
}

/** Files above this are worth a line that tells how much of them has come, in bytes. */
const LARGE = 2 ** 24;

/** Draws how far a large file has come, where the error stream is a terminal. */
export function drawDownload({ file, loaded, total = 0 }: ReadProgress): void {
  if (total < LARGE || !Deno.stderr.isTerminal()) return;
  const end = loaded >= total ? "\n" : "";
  const line = `\r${file}: ${Math.floor(100 * loaded / total)} % of ${
    Math.round(total / 2 ** 20)
  } MiB\x1b[K`;
  Deno.stderr.writeSync(new TextEncoder().encode(line + end));
}

/** Sections for people, tensors for programs. */
export class Report {
  readonly #start = performance.now();
  readonly #title: string;
  readonly #sections: PageSection[] = [];
  readonly #tensors: Record<string, JsonTensor> = {};

  /**
   * Begins a report.
   *
   * @param title What the page is called.
   */
  constructor(title: string) {
    this.#title = title;
    console.log(styled(1, title));
  }

  /** Seconds since the report began. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Keeps a tensor for the file of numbers. */
  put(name: string, tensor: Tensor): void {
    const data = Array.from(tensor.data(), tensor.dtype === "float32" ? shortFloat : Number);
    this.#tensors[name] = { shape: tensor.shape, data };
  }

  /**
   * Adds a section to the page and prints it; figures are printed where the output is a terminal.
   *
   * @param section Heading, notes, table and figure.
   */
  async add(section: PageSection): Promise<void> {
    this.#sections.push(section);
    console.log(`\n${styled(1, section.heading)}`);
    if (section.text) console.log(section.text.split("\n\n").map(wrapped).join("\n"));
    if (section.table) console.log(`\n${tableText(section.table)}`);
    if (section.figure && isTerminal) {
      console.log();
      await section.figure.show();
    }
  }

  /**
   * Writes `ioi.html`, which needs no network, and `ioi.json`.
   *
   * @param folder Where to; made if it isn't there.
   */
  async write(folder: string): Promise<void> {
    const page = await htmlPage({ title: this.#title, sections: this.#sections, offline: true });
    const { seconds } = this;
    const numbers = JSON.stringify({ tensors: this.#tensors, seconds });
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/ioi.html`, page);
    await Deno.writeTextFile(`${folder}/ioi.json`, numbers);
    const nFigures = this.#sections.filter(({ figure }) => figure).length;
    console.log(
      `\n${folder}/ioi.html has ${nFigures} figures, ${folder}/ioi.json ` +
        `${Object.keys(this.#tensors).length} tensors. It took ${seconds.toFixed(1)} s.`,
    );
  }
}
