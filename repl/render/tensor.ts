/** Tensors by shape, statistics and a strip of heat. */
import type { Tensor } from "../../mod.ts";
import { colourAt, colourStops } from "../../src/plot/colour_scale.ts";
import { padded, type Style } from "../style.ts";
import { significant } from "./numbers.ts";

/** More rows than this share a strip. */
const MAX_ROWS = 24;

/** Widest strip, in characters. */
const MAX_WIDTH = 64;

/** Heights, for terminals without colours. */
const BLOCKS = [..." ▁▂▃▄▅▆▇█"];

/** Statistics of numbers; of those that are finite. */
export interface Statistics {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
  /** How many are zero. */
  readonly zeros: number;
  /** How many are infinite or not a number. */
  readonly notFinite: number;
}

/** Takes the statistics of a tensor's elements. */
function statisticsOf(data: ArrayLike<number>): Statistics {
  let [min, max, sum, squares, zeros, n] = [Infinity, -Infinity, 0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    squares += value * value;
    zeros += value === 0 ? 1 : 0;
    n++;
  }
  const mean = n === 0 ? 0 : sum / n;
  const std = n === 0 ? 0 : Math.sqrt(Math.max(0, squares / n - mean * mean));
  return { min, max, mean, std, zeros, notFinite: data.length - n };
}

/** Share of the numbers that stay within a strip's colours: a few that are much larger would leave the others pale. */
const WITHIN = 0.99;

/** What counts as strong: nearly all numbers that aren't zero are at most this far from it. */
function reachOf(data: ArrayLike<number>): number {
  const sizes = Float64Array.from(data, Math.abs)
    .filter((size) => size > 0 && Number.isFinite(size)).sort();
  return sizes.length === 0
    ? 0
    : sizes[Math.min(sizes.length - 1, Math.ceil(WITHIN * sizes.length) - 1)];
}

/** Folds numbers into places: each shows the one that is farthest from zero. */
function folded(values: ArrayLike<number>, width: number): number[] {
  if (values.length <= width) return Array.from(values);
  return Array.from({ length: width }, (_, place) => {
    let most = 0;
    const end = Math.floor(((place + 1) * values.length) / width);
    for (let i = Math.floor((place * values.length) / width); i < end; i++) {
      if (Math.abs(values[i]) > Math.abs(most) && Number.isFinite(values[i])) most = values[i];
    }
    return most;
  });
}

/** Numbers as a strip: red below zero, blue above; heights where there are no colours. */
export function strip(
  values: ArrayLike<number>,
  reach: number,
  width: number,
  style: Style,
): string {
  const shown = folded(values, width);
  const strength = (value: number) => (reach === 0 ? 0 : Math.min(1, Math.abs(value) / reach));
  if (!style.hasColours) {
    const height = (value: number) =>
      value === 0 ? 0 : Math.max(1, Math.round(strength(value) * (BLOCKS.length - 1)));
    return shown.map((value) => BLOCKS[height(value)]).join("");
  }
  const stops = colourStops("RdBu");
  const cells = shown.map((value) => {
    const rgb = colourAt(stops, (1 + Math.sign(value) * strength(value)) / 2);
    return `\x1b[48;2;${rgb.join(";")}m `;
  });
  return `${cells.join("")}\x1b[0m`;
}

/** Names a shape: `[pos 15, dSae 1024]`. */
export function shapeText(shape: readonly number[], axes?: readonly string[]): string {
  return `[${shape.map((n, i) => (axes?.[i] ? `${axes[i]} ${n}` : `${n}`)).join(", ")}]`;
}

/** What a tensor is shown with. */
export interface TensorView {
  /** What its axes are. */
  readonly axes?: readonly string[];
  /** Names of the rows: of all axes but the last, flattened. */
  readonly rows?: readonly string[];
}

/** Renders a tensor. */
export function tensorText(tensor: Tensor, style: Style, { axes, rows }: TensorView = {}): string {
  const data = tensor.data();
  const head = `${style.cyan(tensor.dtype)} ${style.bold(shapeText(tensor.shape, axes))}`;
  if (data.length === 0) return head;
  if (tensor.rank === 0) return `${head} ${significant(data[0], 6)}`;
  const { min, max, mean, std, zeros, notFinite } = statisticsOf(data);
  const share = (count: number) => `${Number((100 * count / data.length).toPrecision(3))} %`;
  const facts = [
    `min ${significant(min)}`,
    `max ${significant(max)}`,
    `mean ${significant(mean)}`,
    `std ${significant(std)}`,
    ...zeros > 0 ? [`zero ${share(zeros)}`] : [],
    ...notFinite > 0 ? [`not finite ${share(notFinite)}`] : [],
  ].join("  ");
  const length = tensor.shape[tensor.rank - 1];
  const nRows = data.length / length;
  const isTable = nRows <= MAX_ROWS;
  const names = isTable && rows?.length === nRows ? rows : undefined;
  const nameWidth = names ? Math.max(...names.map((name) => [...name].length)) + 1 : 0;
  const width = Math.max(8, Math.min(MAX_WIDTH, style.columns - 4 - nameWidth));
  const reach = reachOf(data);
  const strips = isTable
    ? Array.from({ length: nRows }, (_, i) => {
      const name = names ? `${padded(names[i], nameWidth - 1, "left")} ` : "";
      return style.dim(name) +
        strip(data.subarray(i * length, (i + 1) * length), reach, width, style);
    })
    : [strip(data, reach, width, style)];
  const few = data.length <= 8
    ? [`  ${Array.from(data, (value) => significant(value)).join("  ")}`]
    : [];
  return [head, `  ${style.dim(facts)}`, ...few, ...strips.map((line) => `  ${line}`)].join("\n");
}

/** More elements than this aren't written out for programs. */
const MAX_JSON = 4096;

/** A tensor for programs: its elements when they are few, else statistics. */
export function tensorJson(tensor: Tensor): Record<string, unknown> {
  const { dtype, shape, size } = tensor;
  const data = tensor.data();
  return {
    dtype,
    shape,
    ...size <= MAX_JSON ? { data: Array.from(data) } : { statistics: statisticsOf(data) },
  };
}
