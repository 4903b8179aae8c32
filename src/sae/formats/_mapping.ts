/** From a file's tensors to an SAE's parameters. */

import { WeightFileError } from "../../core/errors.ts";
import { readFloats, type TensorFile } from "../../weights/safetensors.ts";
import type { WeightArray } from "../../weights/state_dict.ts";
import { WeightView } from "../../weights/weight_view.ts";

/** Where a parameter is found, and how it lies there. */
export interface TensorSpec {
  /** The tensor's names in the file: the first that is there counts. */
  readonly from: readonly string[];
  /** It lies as [col, row], as torch's `Linear` has it. */
  readonly transposed?: boolean;
  /** The SAE may do without it. */
  readonly optional?: boolean;
  /** What becomes of it then. */
  readonly change?: (array: WeightArray) => WeightArray;
}

/** Parameters by SAELens' names. */
export type TensorMapping = Readonly<Record<string, TensorSpec>>;

/** A tensor as it is, under the first of these names. */
export function as(...from: string[]): TensorSpec {
  return { from };
}

/** A matrix [col, row] under the first of these names. */
export function transposed(...from: string[]): TensorSpec {
  return { from, transposed: true };
}

/** A matrix in SAELens' layout under SAELens' name, or else as torch's `Linear` has it under that name. */
export function nativeOrLinear(file: TensorFile, native: string, linear: string): TensorSpec {
  return file.has(native) ? as(native) : transposed(linear);
}

/** Turns a matrix. */
export function turned(array: WeightArray): WeightArray {
  return WeightView.of(array).permuted([1, 0]);
}

/** A matrix [row, col] of known width, whichever way it lies: as it is where both fit. */
export function oriented(array: WeightArray, cols: number): WeightArray {
  return array.shape.length === 2 && array.shape[1] !== cols && array.shape[0] === cols
    ? turned(array)
    : array;
}

/** The same values times a number. */
export function scaled({ shape, data }: WeightArray, factor: number): WeightArray {
  return { shape, data: data.map((value) => value * factor) };
}

/** One value for every feature. */
export function repeated(value: number, count: number): WeightArray {
  return { shape: [count], data: new Float32Array(count).fill(value) };
}

/** A vector [n, targets, width] summed over its targets. */
export function summedOverTargets(array: WeightArray): WeightArray {
  if (array.shape.length !== 3) return array;
  const [rows, targets, width] = array.shape;
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    for (let target = 0; target < targets; target++) {
      const from = (row * targets + target) * width;
      for (let i = 0; i < width; i++) data[row * width + i] += array.data[from + i];
    }
  }
  return { shape: [rows, width], data };
}

async function readOne(file: TensorFile, name: string, spec: TensorSpec): Promise<WeightArray> {
  const array = await readFloats(file, name);
  if (spec.transposed && array.shape.length !== 2) {
    throw new WeightFileError(
      `Cannot use "${name}" in "${file.label}": it is [${array.shape.join(", ")}], wanted a matrix`,
    );
  }
  const standing = spec.transposed ? turned(array) : array;
  return spec.change ? spec.change(standing) : standing;
}

/**
 * Reads an SAE's parameters from a file. Tensors that the mapping doesn't name are left alone: publishers keep counters beside them.
 *
 * @throws {WeightFileError} If tensors are missing, all of them in one message, or aren't numbers of this rank.
 */
export async function readMapped(
  file: TensorFile,
  mapping: TensorMapping,
): Promise<Map<string, WeightArray>> {
  const found = Object.entries(mapping).map(([parameter, spec]) =>
    [parameter, spec, spec.from.find((name) => file.has(name))] as const
  );
  const missing = found.filter(([, { optional }, name]) => name === undefined && !optional);
  if (missing.length > 0) {
    const wanted = missing.map(([, { from }]) => from.map((name) => `"${name}"`).join(" or "));
    throw new WeightFileError(
      `Cannot use "${file.label}": it has no ${wanted.join(", no ")}; it has ${
        file.names.map((name) => `"${name}"`).join(", ") || "no tensors"
      }`,
    );
  }
  const weights = new Map<string, WeightArray>();
  for (const [parameter, spec, name] of found) {
    if (name !== undefined) weights.set(parameter, await readOne(file, name, spec));
  }
  return weights;
}

/** The widths of an SAE, as its weights have them. */
export function widthsOf(weights: ReadonlyMap<string, WeightArray>): Record<string, number> {
  const [dSae, dOut] = weights.get("W_dec")?.shape ?? [];
  const [dIn] = weights.get("W_enc")?.shape ?? [dOut];
  return { d_in: dIn, d_sae: dSae, d_out: dOut };
}

/** The widths of an autoencoder, whose output is as wide as its input. */
export function autoencoderWidths(
  weights: ReadonlyMap<string, WeightArray>,
): Record<string, number> {
  const { d_in, d_sae } = widthsOf(weights);
  return { d_in, d_sae };
}
