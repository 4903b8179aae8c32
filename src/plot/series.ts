import { ShapeError } from "../core/errors.ts";
import { type PlotInput, readGrid, rowsOf, type VectorInput } from "./input.ts";

/** Values of one trace, with the name that the legend shows where there are several. */
export interface Series {
  name?: string;
  values: number[];
}

/**
 * Reads one series, or several as the rows of a matrix.
 *
 * @param input Values [point] or [series, point].
 * @param names Names of the series; numbers from 0 by default where there are several.
 * @param nPoints How many points each must have.
 * @param expected How messages name the values, and the whole shape where that must match another's.
 * @throws {ShapeError} If the shape is another, or names are too many or too few.
 */
export function readSeries(
  input: PlotInput | VectorInput,
  names: readonly string[] | undefined,
  nPoints: number | undefined,
  expected: { what: string; shape?: number[] } = { what: "y" },
): Series[] {
  const grid = readGrid(input, expected.what);
  const { shape } = grid;
  const n = nPoints ?? "points";
  const fits = expected.shape
    ? String(shape) === String(expected.shape)
    : (shape.length === 1 || shape.length === 2) &&
      (nPoints === undefined || shape[shape.length - 1] === nPoints);
  if (!fits) {
    const wanted = expected.shape ? `[${expected.shape}]` : `[${n}] or [series, ${n}]`;
    throw new ShapeError(`Cannot plot ${expected.what} of shape [${shape}], expected ${wanted}`);
  }
  const rows = shape.length === 1 ? [grid.values] : rowsOf(grid);
  if (names && names.length !== rows.length) {
    throw new ShapeError(
      `Cannot name ${rows.length} series with ${names.length} texts, expected one each`,
    );
  }
  const nameOf = (i: number) => names?.[i] ?? (rows.length > 1 ? String(i) : undefined);
  return rows.map((values, i) => ({ name: nameOf(i), values }));
}
