/** Figures of activations. */
import { bar, type Figure, imshow, type Tensor } from "../mod.ts";

/** A heat map of an activation, or bars of one with a single axis. */
export function partFigure(
  value: Tensor,
  rows: readonly string[] | undefined,
  title: string,
): Figure {
  const length = value.shape[value.rank - 1] ?? 1;
  if (value.rank <= 1) {
    const places = Array.from({ length }, (_, i) => i);
    return bar(places, value.reshape(length).toArray(), { title });
  }
  const grid = value.reshape(value.size / length, length);
  return imshow(grid, { title, ...(rows && { y: [...rows] }) });
}
