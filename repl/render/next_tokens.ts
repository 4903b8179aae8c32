/** The next tokens of a session's run, beside those of the run without edits. */
import type { RunCost, Session, SessionDiff, TextDiff, TokenChange } from "../../mod.ts";
import { describeMetric } from "../../src/session/metric.ts";
import { diffOf } from "../../src/session/session_diff.ts";
import { idleLines } from "./idle.ts";
import { columnsText, type Style } from "../style.ts";
import { count, fixed, percent, signed } from "./numbers.ts";

/** Width of the bar of a probability, in characters. */
const BAR = 16;

/** Eighths of a character. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

function bar(prob: number): string {
  const eighths = Math.round(prob * BAR * 8);
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

function coloured(text: string, change: number, style: Style): string {
  return text === "·" ? style.dim(text) : change < 0 ? style.red(text) : style.green(text);
}

/** A token as it is shown. */
function tokenText({ token, id }: Pick<TokenChange, "token" | "id">): string {
  return token === undefined ? String(id) : JSON.stringify(token);
}

function row(change: TokenChange, isEdited: boolean, style: Style): string[] {
  const { now, before } = change;
  const moved = (now.prob - before.prob) * 100;
  const lifted = now.logit - before.logit;
  return [
    `  ${style.bold(tokenText(change))}`,
    percent(now.prob),
    bar(now.prob),
    ...isEdited ? [coloured(signed(moved, 2), moved, style)] : [],
    fixed(now.logit, 2),
    ...isEdited ? [coloured(signed(lifted, 2), lifted, style)] : [],
  ];
}

/** The table of one text. */
export function tokensTable({ tokens }: TextDiff, isEdited: boolean, style: Style): string {
  const heads = isEdited
    ? ["  next token", ">p", "", ">change", ">logit", ">change"]
    : ["  next token", ">p", "", ">logit"];
  return columnsText(heads, tokens.map((token) => row(token, isEdited, style)), style);
}

/** One line for each text, when there are several. */
function textsTable(diff: SessionDiff, isEdited: boolean, style: Style): string {
  const rows = diff.texts.map(({ text, tokens: [first] }) => {
    const metric = diff.metric;
    const change = metric ? metric.now[text] - metric.before[text] : 0;
    const moved = (first.now.prob - first.before.prob) * 100;
    return [
      `  ${text}`,
      style.bold(tokenText(first)),
      percent(first.now.prob),
      ...isEdited ? [coloured(signed(moved, 2), moved, style)] : [],
      ...metric && metric.now.length === diff.texts.length
        ? [
          fixed(metric.now[text], 2),
          ...isEdited ? [coloured(signed(change, 2), change, style)] : [],
        ]
        : [],
    ];
  });
  const change = isEdited ? [">change"] : [];
  const heads = ["  text", "next token", ">p", ...change, ">metric", ...change];
  return columnsText(heads, rows, style);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The metric, with its change. */
function metricText(
  session: Session,
  { metric }: SessionDiff,
  isEdited: boolean,
  style: Style,
): string {
  if (!metric || session.metric === undefined) return "";
  const [now, before] = [mean(metric.now), mean(metric.before)];
  const change = isEdited ? ` (${coloured(signed(now - before, 2), now - before, style)})` : "";
  const label = metric.now.length > 1 ? "mean of " : "";
  return `${label}${describeMetric(session.metric)}  ${style.bold(fixed(now, 2))}${change}`;
}

/** What ran: `1.attn_out → unembed, 44 rows, 2.21 M multiply-adds, 3.1 ms`. */
function costText({ stages, rows, multiplyAdds, ms }: RunCost): string {
  if (stages.length === 0) return `nothing to run, ${ms.toFixed(1)} ms`;
  const span = stages.length === 1 ? stages[0] : `${stages[0]} → ${stages[stages.length - 1]}`;
  return `ran ${span}: ${rows} rows, ${count(multiplyAdds)} multiply-adds, ${ms.toFixed(1)} ms`;
}

/** What is shown of a run. */
export interface RunView {
  /** The position; the last unless said. */
  readonly pos?: number;
  /** How many tokens. */
  readonly k?: number;
  /** The text, when there are several. */
  readonly text?: number;
}

/** How a session's run becomes a result. */
export interface RunResultOptions {
  /** Lines above the table. */
  readonly head?: readonly string[];
  /** Lines below. */
  readonly foot?: readonly string[];
  /** What else there is for programs. */
  readonly json?: Readonly<Record<string, unknown>>;
  /** What is shown. */
  readonly view?: RunView;
}

/** Runs a session and gives the next tokens with what changed, the metric, and what ran. */
export function runResult(
  session: Session,
  style: Style,
  { head = [], foot = [], json = {}, view = {} }: RunResultOptions = {},
): { text: string; json: Record<string, unknown> } {
  const isEdited = session.edits.some(({ isOn }) => isOn);
  const { idle } = isEdited ? session.explain() : { idle: [] };
  const run = session.run();
  const diff = diffOf(session, run, session.base(), view);
  const isOne = diff.texts.length === 1 || view.text !== undefined;
  const table = isOne
    ? tokensTable(diff.texts[view.text ?? 0], isEdited, style)
    : textsTable(diff, isEdited, style);
  const metric = metricText(session, diff, isEdited, style);
  const last = [metric, style.dim(costText(run.ran))].filter((text) => text !== "").join("   ");
  const texts = view.text === undefined ? diff.texts : [diff.texts[view.text]];
  return {
    text: [...head, table, `  ${last}`, ...idleLines(idle, style), ...foot].join("\n"),
    json: {
      ...json,
      texts,
      ...(diff.metric && { metric: { ...diff.metric, of: describeMetric(session.metric!) } }),
      ran: run.ran,
      ...idle.length > 0 && { idle },
    },
  };
}
