import {
  bar,
  type Edit,
  edits,
  type Figure,
  imshow,
  type Session,
  type SweepCell,
  type SweepEdit,
  type Tensor,
} from "../../mod.ts";
import { describeMetric, metricFunction } from "../../src/session/metric.ts";
import { layoutOf } from "../../src/hooks/edit_cells.ts";
import { takeCells } from "../cells.ts";
import type { Command, Context } from "../command.ts";
import { isTokenOf, takePoint } from "../edit_command.ts";
import { CommandError, StoppedError } from "../errors.ts";
import { shortPoint } from "../points.ts";
import { positionsIn } from "../../src/hooks/edit_positions.ts";
import { decimalsFor, fixed, signed } from "../render/numbers.ts";
import { columnsText, type Style } from "../style.ts";
import { valuesOf } from "../values.ts";
import type { EditCells } from "../../mod.ts";

/** Variants between two looks at the keyboard. */
const CHUNK = 32;

/** How many are listed. */
const N_LISTED = 16;

/** One variant and what it did. */
interface Swept {
  readonly cell: SweepCell;
  readonly value: number;
  readonly change: number;
}

/** What is done to each cell. */
interface SweptEdit {
  readonly sweep: SweepEdit;
  /** The same as an edit of a session. */
  edit(cells: EditCells): Edit;
}

function cellEdit({ pos, feature, head }: SweepCell): EditCells {
  return {
    ...(pos !== undefined && { pos }),
    ...(feature !== undefined && { feature }),
    ...(head !== undefined && { head }),
  };
}

function mean(metric: Tensor): number {
  return metric.mean().item();
}

/** The cells to sweep: of codes the live ones, of heads all, else positions. */
function cellsOf(name: string, value: Tensor, cells: EditCells, context: Context): SweepCell[] {
  const { session } = context.state;
  const layout = layoutOf(name, value.shape);
  if (layout.isByHead) throw new CommandError("Sweep over a point with positions: try `LAYER.z`.");
  const { nPos, ids } = { nPos: layout.length.pos, ids: session.tokens.at(0).toArray() };
  const str = (id: number) => session.model.toSingleStrToken(id);
  const text = { text: 0, nPos, nPrompt: nPos, id: (pos: number) => ids[pos], str, label: str };
  const positions = positionsIn(cells.pos ?? "all", text);
  if (layout.length.head !== undefined) {
    const heads = cells.head === undefined
      ? Array.from({ length: layout.length.head }, (_, head) => head)
      : [cells.head].flat();
    return positions.flatMap((pos) => heads.map((head) => ({ pos, head })));
  }
  const isCodes = name.endsWith("hook_sae_acts_post");
  if (!isCodes && cells.feature === undefined) return positions.map((pos) => ({ pos }));
  return positions.flatMap((pos) => {
    const live = [...value.at(":", pos).ne(0).any(0).nonzero().flatten()]
      .map((feature) => feature.item());
    const features = cells.feature === undefined ? live : [cells.feature].flat();
    return features.map((feature) => ({ pos, feature }));
  });
}

/** Runs a few variants: as rows of one pass where no edit is in place, else one after another on top of the edits. */
function runChunk(
  session: Session,
  at: string,
  cells: readonly SweepCell[],
  { sweep, edit }: SweptEdit,
): number[] {
  const { metric, tokens, attentionMask, model } = session;
  const measure = metricFunction(metric!, (text) => model.toSingleToken(text), tokens.shape[0]);
  if (session.edits.every(({ isOn }) => !isOn)) {
    using _saes = session.splices.attach();
    const measured = model.sweep(tokens, {
      attentionMask,
      at,
      over: cells,
      edit: sweep,
      metric: (logits) => measure(logits).mean(),
    });
    return Array.from(measured.data());
  }
  return cells.map((cell) => {
    const trial = session.fork();
    trial.edit(at, edit(cellEdit(cell)));
    return mean(trial.run().metric!);
  });
}

function label({ pos, feature, head }: SweepCell): string {
  return [
    ...feature !== undefined ? [`feature ${feature}`] : [],
    ...head !== undefined ? [`head ${head}`] : [],
    ...pos !== undefined ? [`@${pos}`] : [],
  ].join(" ");
}

/** Variants of two axes as a heat map, others as bars. */
function sweepFigure(swept: readonly Swept[], title: string): Figure {
  const axes = (["pos", "head"] as const).map((
    axis,
  ) => [...new Set(swept.map(({ cell }) => cell[axis]))]);
  const [positions, heads] = axes;
  const isGrid = swept.every(({ cell }) => cell.head !== undefined && cell.feature === undefined) &&
    positions.length * heads.length === swept.length && positions.length > 1 && heads.length > 1;
  if (!isGrid) {
    const labels = swept.map(({ cell }) => label(cell));
    return bar(labels, swept.map(({ change }) => change), { title });
  }
  const grid = heads.map((head) =>
    positions.map((pos) =>
      swept.find(({ cell }) => cell.pos === pos && cell.head === head)?.change ?? 0
    )
  );
  return imshow(grid, {
    title,
    x: positions.map((pos) => `@${pos}`),
    y: heads.map((head) => `head ${head}`),
  });
}

function table(swept: readonly Swept[], style: Style): string {
  const byEffect = [...swept].sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
  const shown = byEffect.slice(0, N_LISTED);
  const most = Math.abs(shown[0]?.change ?? 0) || 1;
  const decimals = decimalsFor(most);
  const rows = shown.map(({ cell, value, change }) => {
    const colour = change < 0 ? style.red : style.green;
    return [
      `  ${style.yellow(label(cell))}`,
      fixed(value, decimals),
      change === 0 ? style.dim("·") : colour(signed(change, decimals)),
      colour("█".repeat(Math.round((16 * Math.abs(change)) / most))),
    ];
  });
  const more = swept.length > shown.length
    ? style.dim(`\n  and ${swept.length - shown.length} with less effect`)
    : "";
  return columnsText(["", ">metric", ">change", ""], rows, style) + more;
}

export const sweep: Command = {
  name: "sweep",
  group: "look",
  usage: "sweep POINT [CELLS] [scale FACTOR | set NUMBER]",
  summary: "ablate one cell after another and compare: live features, heads or positions",
  details:
    "Of an SAE's codes the live features are swept, at points with heads each head, else each position. Without edits in place all variants run as rows of one pass. Ctrl-C stops and keeps what is done.",
  keywords: ["scale", "set"],
  completes: ["point", "cells"],
  examples: [
    ["sweep 1.z.sae @10", "which feature at position 10 matters"],
    ["sweep 2.z", "which head, where"],
    ["sweep 2.resid_pre", "which position"],
  ],
  run: async (reader, context) => {
    const { state: { session }, style, isJson, isInteractive } = context;
    const at = takePoint(reader, context);
    const cells = takeCells(reader, isTokenOf(context));
    const kind = reader.takeIf("scale", "set", "ablate");
    const number = kind === "scale" || kind === "set" ? reader.requireNumber("a number") : 0;
    reader.end();
    if (session.metric === undefined) throw new CommandError("There is no metric to compare.");
    const done: SweptEdit = kind === "scale"
      ? { sweep: { scale: number }, edit: (cells) => edits.scale({ ...cells, by: number }) }
      : kind === "set"
      ? { sweep: number, edit: (cells) => edits.set({ ...cells, value: number }) }
      : { sweep: "ablate", edit: (cells) => edits.ablate(cells) };
    const variants = cellsOf(at, valuesOf(session, [at]).get(at)!, cells, context);
    const before = mean(session.run().metric!);
    const swept: Swept[] = [];
    const started = performance.now();
    let stopped = false;
    try {
      for (let from = 0; from < variants.length; from += CHUNK) {
        await context.breathe();
        const chunk = variants.slice(from, from + CHUNK);
        const values = runChunk(session, at, chunk, done);
        values.forEach((value, i) => {
          swept.push({ cell: chunk[i], value, change: value - before });
        });
        if (isInteractive && !isJson) context.write(`\r  ${swept.length} of ${variants.length} `);
      }
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error;
      stopped = true;
    } finally {
      if (isInteractive && !isJson) context.write("\r\x1b[K");
    }
    const ms = performance.now() - started;
    const what = `${kind ?? "ablate"} at ${shortPoint(at)}: ${describeMetric(session.metric)}`;
    const note = stopped
      ? style.yellow(`  stopped: ${swept.length} of ${variants.length} are done\n`)
      : "";
    return {
      text: `${note}${table(swept, style)}\n${
        style.dim(
          `  ${swept.length} variants, ${fixed(before, 2)} without them, ${ms.toFixed(0)} ms`,
        )
      }`,
      json: {
        point: at,
        edit: kind ?? "ablate",
        before,
        variants: swept,
        isStopped: stopped,
        nVariants: variants.length,
      },
      figure: () => sweepFigure(swept, what),
    };
  },
};
