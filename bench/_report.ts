/** The table of a benchmark, for people and for programs. */
import { release } from "node:os";
import type { GemmReport } from "./gemm.ts";

/** One case, measured. Times are medians in milliseconds. */
export interface Row {
  name: string;
  work: string;
  peer: string;
  /** Repetitions. */
  reps: number;
  ours: number;
  theirs: number;
  /** The median of the repetitions' ratios of our time to the peer's. */
  ratio: number;
  /** The limit for the ratio. */
  atMost?: number;
  /** Largest difference of the results, in units of the largest value. */
  difference: number;
  /** Cores that other programs kept busy meanwhile, on average. */
  others: number;
}

/** What couldn't be measured, and why. */
export interface Skipped {
  name: string;
  work: string;
  reason: string;
}

/** Rows under a heading. */
export interface Section {
  heading: string;
  text: string;
  rows: Row[];
}

/** A whole run of the benchmarks. */
export interface BenchReport {
  machine: Record<string, string>;
  /** One repetition, and loops cut short. */
  isQuick: boolean;
  /** Whether the two sides of a case came to different results. */
  isWrong: boolean;
  sections: Section[];
  skipped: Skipped[];
  gemm?: GemmReport;
}

function cpuModel(): string {
  try {
    const info = Deno.readTextFileSync("/proc/cpuinfo");
    const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(info)?.[1];
    return `${field("model name")}, family ${field("cpu family")}, model ${field("model")}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

/** Describes the machine without naming it. */
export function describeMachine(): Record<string, string> {
  const gigabytes = Deno.systemMemoryInfo().total / 2 ** 30;
  return {
    CPU: cpuModel(),
    cores: String(navigator.hardwareConcurrency),
    memory: `${gigabytes.toFixed(0)} GiB`,
    system: `${Deno.build.os} ${release()}, ${Deno.build.arch}`,
    deno: `${Deno.version.deno} (V8 ${Deno.version.v8})`,
  };
}

/** Three significant digits. */
function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** A limit as it was set: a fraction where it is one of a whole number. */
function limitText(limit: number): string {
  const inverse = 1 / limit;
  const isFraction = inverse > 2.5 && Math.abs(inverse - Math.round(inverse)) < 1e-9;
  return isFraction ? `1/${Math.round(inverse)}` : String(limit);
}

function verdict({ ratio, atMost }: Row): string {
  if (atMost === undefined) return "";
  return ratio <= atMost ? "met" : `missed by ${short(ratio / atMost)}x`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

const HEAD = [
  "work",
  "peer",
  "ours, ms",
  "peer, ms",
  "ratio",
  "at most",
  "",
  "results differ by",
  "others' cores",
];

function sectionText({ heading, text, rows }: Section): string {
  const cells = rows.map((row) => [
    row.work,
    row.peer,
    short(row.ours),
    short(row.theirs),
    row.ratio < 0.1 ? `1/${short(1 / row.ratio)}` : short(row.ratio),
    row.atMost === undefined ? "" : limitText(row.atMost),
    verdict(row),
    row.difference.toExponential(0),
    row.others.toFixed(2),
  ]);
  return `## ${heading}\n\n${text}\n\n${table(HEAD, cells)}`;
}

function gemmText({ results, limits }: GemmReport): string {
  const percent = (ratio: number) => `${(100 * ratio).toFixed(0)} %`;
  const rows = results.map(({ name, best, median, ratio, medianRatio }) => {
    const limit = limits[name];
    return [
      name,
      best.toFixed(1),
      median.toFixed(1),
      percent(ratio),
      percent(medianRatio),
      limit === undefined ? "" : percent(limit),
      limit === undefined ? "" : ratio >= limit ? "met" : "missed",
    ];
  });
  const head = [
    "rows x outputs x inputs",
    "best GFLOP/s",
    "median GFLOP/s",
    "of the best rate",
    "of the rate in turn",
    "at least",
    "",
  ];
  return [
    "## Matrix products",
    "One thread, weights in cache, against a loop of independent 128-bit multiply-adds. The limit is for the best of each.",
    table(head, rows),
  ].join("\n\n");
}

function skippedText(skipped: readonly Skipped[]): string {
  const rows = skipped.map(({ work, reason }) => [work, reason]);
  return `## Not measured\n\n${table(["work", "why"], rows)}`;
}

/** How many times faster each work that has a limit is, with the limit: the table that the README shows. */
function inShort(sections: readonly Section[]): string {
  const rows = sections.flatMap(({ heading, rows }) =>
    rows.flatMap(({ work, peer, ratio, atMost }) =>
      atMost === undefined
        ? []
        : [[`${work} (${heading})`, peer, `${short(1 / ratio)}x`, `${short(1 / atMost)}x`]]
    )
  );
  const text = table(["work", "against", "faster", "aim"], rows);
  return `<!-- speed -->\n\n${text}\n\n<!-- /speed -->`;
}

/** The report as Markdown. */
export function markdown({ machine, isQuick, sections, skipped, gemm }: BenchReport): string {
  return [
    "# Benchmarks",
    "Written by `deno task bench`. Both sides run in turn on the same machine with the same weights; times are medians, " +
    "ratios are medians of each repetition's. Results are compared: the largest difference is given in units of the largest " +
    "value. The last column is how many cores other programs kept busy meanwhile; a repetition with more than 0.1 is tried again, " +
    "three times at most, and the least disturbed count.",
    ...isQuick ? ["This was a quick run: one repetition, loops of 4 features."] : [],
    table(["machine", ""], Object.entries(machine)),
    "## In short",
    inShort(sections),
    ...sections.filter(({ rows }) => rows.length > 0).map(sectionText),
    ...gemm ? [gemmText(gemm)] : [],
    ...skipped.length > 0 ? [skippedText(skipped)] : [],
  ].join("\n\n") + "\n";
}
