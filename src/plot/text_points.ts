import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { TextOptions } from "./text_options.ts";
import { numbersOf, shortNumber } from "./text_cells.ts";

type Point = readonly [x: number, y: number];

/** Height of the canvas and its greatest width, in characters. */
const HEIGHT = 16;
const WIDTH = 72;

/**
 * Renders points, lines and line shapes with braille dots, two by four a character.
 *
 * @param traces Scatter traces of a plain figure.
 * @param layout The figure's layout.
 * @param options Width.
 */
export function pointsText(
  traces: JsonObject[],
  layout: JsonObject,
  options: TextOptions,
): string {
  const paths = traces.map((trace) => ({ points: pointsOf(trace), joined: isJoined(trace) }));
  const all = [...paths, ...lineShapes(layout)].flatMap(({ points }) => points).filter(isDrawable);
  if (all.length === 0) return "(no points)";
  const [x, y] = [0, 1].map((axis) => span(all.map((point) => point[axis])));
  const marks = [shortNumber(y.low), shortNumber(y.high)];
  const margin = Math.max(...marks.map((mark) => mark.length));
  const canvas = new DotCanvas(Math.max(10, Math.min(WIDTH, options.columns - margin - 2)), HEIGHT);
  const place = ([px, py]: Point): Point => [
    ((px - x.low) / (x.high - x.low)) * (canvas.nDotsAcross - 1),
    ((y.high - py) / (y.high - y.low)) * (canvas.nDotsDown - 1),
  ];
  for (const { points, joined } of [...paths, ...lineShapes(layout)]) {
    points.forEach((point, i) => {
      const before = points[i - 1];
      if (!isDrawable(point)) return;
      if (joined && i > 0 && isDrawable(before)) canvas.segment(place(before), place(point));
      else canvas.segment(place(point), place(point));
    });
  }
  const lines = canvas.lines().map((line, i) => {
    const mark = i === 0 ? marks[1] : i === HEIGHT - 1 ? marks[0] : "";
    return `${mark.padStart(margin)} │${line}`.trimEnd();
  });
  const [left, right] = [shortNumber(x.low), shortNumber(x.high)];
  const gap = " ".repeat(Math.max(1, canvas.width - left.length - right.length));
  return [
    ...lines,
    `${" ".repeat(margin + 1)}└${"─".repeat(canvas.width)}`,
    `${" ".repeat(margin + 2)}${left}${gap}${right}`,
  ].join("\n");
}

function isDrawable([x, y]: Point): boolean {
  return !Number.isNaN(x) && !Number.isNaN(y);
}

function isJoined(trace: JsonObject): boolean {
  return String(trace.mode ?? "lines").includes("lines");
}

/** A trace's points; names along x count as positions 0, 1, 2, … */
function pointsOf(trace: JsonObject): Point[] {
  const hasNames = Array.isArray(trace.x) && trace.x.some((value) => typeof value === "string");
  const x = numbersOf(trace.x);
  return numbersOf(trace.y).map((y, i) => [hasNames || x.length === 0 ? i : x[i], y]);
}

function lineShapes(layout: JsonObject): { points: Point[]; joined: boolean }[] {
  const shapes: Json[] = Array.isArray(layout.shapes) ? layout.shapes : [];
  return shapes.filter(isJsonObject).filter((shape) => shape.type === "line").map((shape) => {
    const [x0, y0, x1, y1] = numbersOf(
      [shape.x0, shape.y0, shape.x1, shape.y1].map((v) => v ?? null),
    );
    return { points: [[x0, y0], [x1, y1]], joined: true };
  });
}

/** Ends of an axis; of equal values, half a unit to either side. */
function span(values: number[]): { low: number; high: number } {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return low < high ? { low, high } : { low: low - 0.5, high: high + 0.5 };
}

/** Bits of the eight dots of a braille character, by row, then column. */
const DOTS = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/** A canvas of dots that is read as characters. */
class DotCanvas {
  readonly nDotsAcross: number;
  readonly nDotsDown: number;
  readonly #cells: Uint8Array;

  constructor(readonly width: number, readonly height: number) {
    this.nDotsAcross = 2 * width;
    this.nDotsDown = 4 * height;
    this.#cells = new Uint8Array(width * height);
  }

  /** Draws a straight line; a point where both ends are the same. */
  segment([x0, y0]: Point, [x1, y1]: Point): void {
    const nSteps = Math.max(1, Math.ceil(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0))));
    for (let step = 0; step <= nSteps; step++) {
      const x = Math.round(x0 + ((x1 - x0) * step) / nSteps);
      const y = Math.round(y0 + ((y1 - y0) * step) / nSteps);
      this.#cells[(y >> 2) * this.width + (x >> 1)] |= DOTS[y & 3][x & 1];
    }
  }

  lines(): string[] {
    return Array.from({ length: this.height }, (_, row) => {
      const cells = this.#cells.subarray(row * this.width, (row + 1) * this.width);
      return Array.from(cells, (bits) => bits === 0 ? " " : String.fromCharCode(0x2800 + bits))
        .join("");
    });
  }
}
