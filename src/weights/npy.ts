/**
 * The npy format (NumPy enhancement proposal 1): a header that is a Python dictionary, then the array's elements.
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";
import { fail } from "./format_error.ts";
import { type StoredDtype, storedSize } from "./tensor_data.ts";

/** What stands in front of every header: the magic string, the version and the header's length. */
const MAGIC = "\x93NUMPY";
const VERSION_BYTES = 2;

/** NumPy's own limit. */
const MAX_HEADER_BYTES = 10_000;

/** Bytes that hold any header that NumPy writes, and its prefix. */
export const NPY_HEADER_BYTES = MAGIC.length + VERSION_BYTES + 4 + MAX_HEADER_BYTES;

/** NumPy's names of the number formats. Single bytes have no order. */
const DTYPES: Readonly<Record<string, StoredDtype>> = {
  "<f8": "F64",
  "<f4": "F32",
  "<f2": "F16",
  "<i8": "I64",
  "<i4": "I32",
  "<i2": "I16",
  "|i1": "I8",
  "|u1": "U8",
  "|b1": "BOOL",
};

/** What an npy file says about its array. */
export interface NpyHeader {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  /** Whether the first axis varies fastest. */
  readonly isFortran: boolean;
  /** Where the elements begin, in bytes. */
  readonly dataStart: number;
  /** The bytes that they take. */
  readonly byteLength: number;
}

/**
 * Reads an npy header.
 *
 * @param bytes The first {@linkcode NPY_HEADER_BYTES} of the file, or all of them.
 * @param fileBytes The file's size.
 * @param what What messages call the array.
 */
export function readNpyHeader(bytes: Uint8Array, fileBytes: number, what: string): NpyHeader {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  const start = MAGIC.length + VERSION_BYTES;
  if (magic !== MAGIC || bytes.byteLength < start + 4) fail(`${what} isn't in npy format`);
  const version = bytes[MAGIC.length];
  if (version < 1 || version > 3) fail(`${what} has npy version ${version}, wanted 1, 2 or 3`);
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = version === 1 ? prefix.getUint16(start, true) : prefix.getUint32(start, true);
  const dataStart = start + lengthBytes + length;
  if (length > MAX_HEADER_BYTES || dataStart > bytes.byteLength) {
    fail(`the header of ${what} claims ${length} bytes, which aren't there`);
  }
  const text = String.fromCharCode(...bytes.subarray(start + lengthBytes, dataStart));
  const { dtype, shape, isFortran } = parseHeader(text, what);
  const byteLength = shape.reduce((product, n) => product * n, storedSize(dtype));
  if (!Number.isSafeInteger(byteLength) || byteLength !== fileBytes - dataStart) {
    fail(
      `${what} has ${fileBytes - dataStart} bytes of elements, but ${dtype} ` +
        `${excerpt(shape)} needs ${byteLength}`,
    );
  }
  return { dtype, shape, isFortran, dataStart, byteLength };
}

/** The one form that NumPy writes: three keys in alphabetical order, and spaces up to the next multiple of 64. */
const HEADER =
  /^\{\s*'descr':\s*(?:'([^']*)'|(\[.*\])),\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\d,\sL]*)\),?\s*\}\s*$/;

function parseHeader(text: string, what: string) {
  const match = HEADER.exec(text);
  if (match === null) fail(`the header of ${what} is ${excerpt(text)}, wanted NumPy's form`);
  const [, descr, fields, order, list] = match;
  if (fields !== undefined) fail(`${what} is an array of records, wanted numbers`);
  if (!Object.hasOwn(DTYPES, descr)) {
    fail(
      `${what} has dtype ${excerpt(descr)}, wanted one of ${Object.keys(DTYPES).join(", ")}`,
    );
  }
  const shape = list.split(",").map((n) => n.trim().replace(/L$/, "")).filter((n) => n !== "")
    .map(Number);
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    fail(`${what} has shape (${excerpt(list)}), wanted whole numbers`);
  }
  return { dtype: DTYPES[descr], shape, isFortran: order === "True" };
}
