/**
 * Errors of formats: what breaks a format is told where it is found, and the file's name is put in front where it is known.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";

/** Why a file breaks its format, before the file's name is put in front. */
class FormatError extends Error {}

/** Stops reading a file that breaks its format. */
export function fail(reason: string, cause?: unknown): never {
  throw new FormatError(reason, { cause });
}

/**
 * Runs what reads a file.
 *
 * @param label What messages call the file.
 * @throws {WeightFileError} If the file breaks its format.
 */
export async function reading<R>(label: string, body: () => Promise<R>): Promise<R> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { message, cause } = error;
    throw new WeightFileError(`Cannot read "${label}": ${message}`, { cause });
  }
}
