/** The arrays that make_files.py writes, and what reading them gives. */

import { assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import { openSource } from "../../src/weights/open_source.ts";
import type { TensorFile } from "../../src/weights/safetensors.ts";

/** The folder of files that NumPy and torch wrote. */
export const FILES = openSource(new URL("./files/", import.meta.url));

/** 0, 1/8, 2/8, …: exact in every number format. */
const eighths = (...numerators: number[]) => numerators.map((n) => n / 8);
const counted = (n: number) => Array.from({ length: n }, (_, i) => i);
const BASE = { dtype: "float32", shape: [4, 6], data: eighths(...counted(24)) };

/** What every file of arrays holds: numbers of each format. */
export const NUMBERS: Readonly<Record<string, { dtype: string; shape: number[]; data: number[] }>> =
  {
    plain: BASE,
    scalar: { dtype: "float32", shape: [], data: [2.5] },
    empty: { dtype: "float32", shape: [0, 3], data: [] },
    float64: { dtype: "float32", shape: [6], data: eighths(...counted(6)) },
    float16: { dtype: "float32", shape: [6], data: eighths(...counted(6)) },
    int64: { dtype: "int32", shape: [2], data: [-1, 2 ** 31 - 1] },
    int32: { dtype: "int32", shape: [2], data: [-(2 ** 31), 5] },
    int16: { dtype: "int32", shape: [2], data: [-300, 7] },
    int8: { dtype: "int32", shape: [2], data: [-128, 127] },
    uint8: { dtype: "int32", shape: [2], data: [0, 255] },
    bool: { dtype: "bool", shape: [2], data: [1, 0] },
  };

/** Reads everything in a file. */
export async function readAll(file: TensorFile): Promise<Record<string, unknown>> {
  const read = async (name: string) => {
    const { dtype, shape, data } = await file.read(name);
    assertEquals(file.info(name).shape, shape);
    return [name, { dtype, shape, data: [...data] }] as const;
  };
  return Object.fromEntries(await Promise.all(file.names.map(read)));
}

/** Asserts that opening fails with a typed error of this text. */
export async function assertUnreadable(
  open: () => Promise<TensorFile>,
  message: string,
): Promise<void> {
  const error = await assertRejects(open, WeightFileError);
  assertEquals(error.message, message);
}
