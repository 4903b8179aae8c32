/**
 * The safetensors format: eight bytes with the header's length, the header (JSON), then the tensors' bytes one after another.
 *
 * The checks are those of the format's description and reference reader (huggingface/safetensors): nothing is allocated
 * on the word of a header before it is known to agree with the size of the file.
 *
 * @module
 */

import { nearestNames, WeightFileError } from "../core/errors.ts";
import { excerpt } from "./excerpt.ts";
import { fail, reading } from "./format_error.ts";
import { messageOf, type Source } from "./source.ts";
import type { WeightArray } from "./state_dict.ts";
import { parseStrictJson } from "./strict_json.ts";
import {
  convertTensor,
  FLOAT_DTYPES,
  isStoredDtype,
  STORED_DTYPES,
  type StoredDtype,
  storedSize,
  type TensorData,
} from "./tensor_data.ts";
import { type StoredElements, type WeightDtype, WeightView } from "./weight_view.ts";

/** The reference reader's limit for a header, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;

/** Bytes that hold the header's length. */
const PREFIX_BYTES = 8;

/** What a file says about a tensor. */
export interface TensorInfo {
  /** The number format on disk. */
  readonly dtype: StoredDtype;
  /** The tensor's shape. */
  readonly shape: readonly number[];
  /** The bytes that it takes on disk. */
  readonly byteLength: number;
  /** Whether they lie in another order than row by row. */
  readonly isReordered?: boolean;
}

/** Named tensors in files: one file, or the shards of a checkpoint. */
export interface TensorFile {
  /** What error messages call it. */
  readonly label: string;
  /** The tensors' names, in the order in which they are stored. */
  readonly names: readonly string[];
  /** Tells whether there is a tensor of this name. */
  has(name: string): boolean;
  /** Gives a tensor's format, shape and size. Throws a {@linkcode WeightFileError} if there is none. */
  info(name: string): TensorInfo;
  /** Reads a tensor and converts it. Throws a {@linkcode WeightFileError} if there is none or a value doesn't fit. */
  read(name: string): Promise<TensorData>;
  /** Reads a tensor's bytes as they are stored. Throws a {@linkcode WeightFileError} if there is none. */
  readRaw(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Reads the same piece by piece, as {@linkcode Source.readPieces} does. Throws a {@linkcode WeightFileError} if there is none. */
  readPieces?(name: string): AsyncIterable<Uint8Array<ArrayBuffer>> | undefined;
}

interface Entry extends TensorInfo {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/** A safetensors file whose header has been read and checked. */
export class SafetensorsFile implements TensorFile {
  readonly label: string;
  /** The free-form strings that a writer left in the header. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: Source;
  readonly #dataStart: number;
  readonly #entries: ReadonlyMap<string, Entry>;

  /** Creates a file from its parts; see {@linkcode openSafetensors}. */
  constructor(source: Source, label: string, header: Header, dataStart: number) {
    this.label = label;
    this.metadata = header.metadata;
    this.#source = source;
    this.#dataStart = dataStart;
    this.#entries = new Map(header.entries.map((entry) => [entry.name, entry]));
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  info(name: string): TensorInfo {
    const { dtype, shape, byteLength } = this.#entry(name);
    return { dtype, shape, byteLength };
  }

  async read(name: string): Promise<TensorData> {
    const { dtype, shape } = this.#entry(name);
    const bytes = await this.readRaw(name);
    try {
      return convertTensor(dtype, [...shape], bytes);
    } catch (cause) {
      throw new WeightFileError(
        `Cannot read "${name}" in "${this.label}": ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  async readRaw(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { begin, byteLength } = this.#entry(name);
    return await this.#source.read(this.label, this.#dataStart + begin, byteLength);
  }

  readPieces(name: string): AsyncIterable<Uint8Array<ArrayBuffer>> {
    const { begin, byteLength } = this.#entry(name);
    return this.#source.readPieces(this.label, this.#dataStart + begin, byteLength);
  }

  #entry(name: string): Entry {
    return requireTensor(this.#entries, this.label, name);
  }
}

/** The formats that parameters are held in, by those of files. */
const HELD_DTYPES: Partial<Record<StoredDtype, WeightDtype>> = {
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
};

/** The format in which a tensor can be held as it is stored, if there is one. */
export function heldDtype(dtype: StoredDtype): WeightDtype | undefined {
  return HELD_DTYPES[dtype];
}

/** A tensor's bytes as elements. */
function elementsOf(dtype: WeightDtype, bytes: Uint8Array<ArrayBuffer>): StoredElements {
  const { buffer, byteOffset, byteLength } = bytes;
  return dtype === "float32"
    ? { dtype, elements: new Float32Array(buffer, byteOffset, byteLength / 4) }
    : { dtype, elements: new Uint16Array(buffer, byteOffset, byteLength / 2) };
}

/**
 * Reads a tensor of real numbers. float16 and bfloat16 stay as they are until somebody reads values.
 *
 * @param file Where the tensor is.
 * @param name Its name there.
 * @throws {WeightFileError} If there is no such tensor, or it holds integers or booleans.
 */
export async function readFloats(file: TensorFile, name: string): Promise<WeightArray> {
  const { dtype, shape, isReordered = false } = file.info(name);
  const held = heldDtype(dtype);
  if (held !== undefined && !isReordered) {
    return WeightView.stored(elementsOf(held, await file.readRaw(name)), shape);
  }
  const tensor = await file.read(name);
  if (tensor.dtype === "float32") return tensor;
  throw new WeightFileError(
    `Cannot read "${name}" in "${file.label}": its dtype is ${dtype}, wanted one of ${
      FLOAT_DTYPES.join(", ")
    }`,
  );
}

/** Some of a tensor's elements, from the one numbered `start` on. */
export interface TensorPart {
  readonly start: number;
  readonly stored: StoredElements;
}

/**
 * Reads a tensor part by part; the next part may overwrite one.
 *
 * @param file Where the tensor is.
 * @param name Its name there.
 * @returns The parts in order; `undefined` where the tensor isn't held as it is stored, or comes as a whole only.
 */
export function readParts(
  file: TensorFile,
  name: string,
): AsyncIterable<TensorPart> | undefined {
  const held = heldDtype(file.info(name).dtype);
  const pieces = held && file.readPieces?.(name);
  return pieces && partsOf(held, pieces);
}

async function* partsOf(
  dtype: WeightDtype,
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<TensorPart> {
  let start = 0;
  for await (const bytes of pieces) {
    const stored = elementsOf(dtype, bytes);
    yield { start, stored };
    start += stored.elements.length;
  }
}

/**
 * Gives what a file knows of a tensor.
 *
 * @param tensors The file's tensors by name.
 * @param label The file, as messages name it.
 * @throws {WeightFileError} If it has no such tensor, with the nearest names.
 */
export function requireTensor<T>(tensors: ReadonlyMap<string, T>, label: string, name: string): T {
  const found = tensors.get(name);
  if (found !== undefined) return found;
  const near = nearestNames(name, tensors.keys()).map((candidate) => `"${candidate}"`).join(", ");
  const hint = near === "" ? "it has no tensors" : `the nearest names are ${near}`;
  throw new WeightFileError(
    `Cannot read "${name}" in "${label}": there is no such tensor; ${hint}`,
  );
}

/**
 * Opens a safetensors file: reads its header and checks it against the size of the file.
 *
 * @param source Where the file is.
 * @param name The file's name there.
 * @throws {WeightFileError} If there is no such file, or it breaks the format; the message says how.
 */
export async function openSafetensors(
  source: Source,
  name = "model.safetensors",
): Promise<SafetensorsFile> {
  const size = await source.size(name);
  return await reading(name, async () => {
    if (size < PREFIX_BYTES) {
      fail(`it has ${size} bytes, wanted at least ${PREFIX_BYTES} for the header's length`);
    }
    const prefix = await source.read(name, 0, PREFIX_BYTES);
    const headerBytes = headerLength(prefix, size);
    const bytes = await source.read(name, PREFIX_BYTES, headerBytes);
    const dataStart = PREFIX_BYTES + headerBytes;
    const header = parseHeader(bytes, size - dataStart);
    return new SafetensorsFile(source, name, header, dataStart);
  });
}

function headerLength(prefix: Uint8Array<ArrayBuffer>, fileBytes: number): number {
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    fail(`its header claims ${length} bytes, wanted at most ${MAX_HEADER_BYTES}`);
  }
  if (Number(length) > fileBytes - PREFIX_BYTES) {
    fail(`its header claims ${length} bytes, but only ${fileBytes - PREFIX_BYTES} follow`);
  }
  return Number(length);
}

interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly entries: readonly Entry[];
}

function parseHeader(bytes: Uint8Array, dataBytes: number): Header {
  if (bytes[0] !== "{".charCodeAt(0)) fail('its header doesn\'t begin with "{"');
  let json: unknown;
  try {
    json = parseStrictJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    fail(`its header isn't valid JSON (${messageOf(cause)})`, cause);
  }
  const { __metadata__: metadata, ...tensors } = asObject(json, "its header");
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value));
  // An empty tensor sorts before the one whose bytes begin where it lies.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, dataBytes);
  return { metadata: parseMetadata(metadata), entries };
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const strings = Object.entries(asObject(value, '"__metadata__"')).map(([key, text]) => {
    if (typeof text === "string") return [key, text] as const;
    fail(`"__metadata__" has ${excerpt(text)} under ${excerpt(key)}, wanted a string`);
  });
  return Object.fromEntries(strings);
}

function parseEntry(name: string, value: unknown): Entry {
  const entry = asObject(value, `tensor ${excerpt(name)}`);
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) fail(`tensor ${excerpt(name)} has an unknown key ${excerpt(unknown)}`);
  if (!isStoredDtype(dtype)) {
    fail(
      `tensor ${excerpt(name)} has dtype ${excerpt(dtype)}, wanted one of ${
        STORED_DTYPES.join(", ")
      }`,
    );
  }
  if (!isListOfCounts(shape)) {
    fail(
      `tensor ${excerpt(name)} has shape ${excerpt(shape)}, wanted a list of whole numbers >= 0`,
    );
  }
  if (!isListOfCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    fail(
      `tensor ${excerpt(name)} has data_offsets ${excerpt(offsets)}, wanted [begin, end] with ` +
        "0 <= begin <= end",
    );
  }
  const [begin, end] = offsets;
  const byteLength = bytesOf(dtype, shape);
  if (byteLength !== end - begin) {
    fail(
      `tensor ${excerpt(name)} takes ${end - begin} bytes, but ${dtype} ${excerpt(shape)} needs ` +
        (byteLength ?? "more than can be counted"),
    );
  }
  return { name, dtype, shape, byteLength, begin, end };
}

/** Bytes of a tensor, or `undefined` beyond 2^53. The order of dims matters: an overflow before a zero is still one. */
function bytesOf(dtype: StoredDtype, shape: readonly number[]): number | undefined {
  let bytes = storedSize(dtype);
  for (const dim of shape) {
    bytes *= dim;
    if (!Number.isSafeInteger(bytes)) return undefined;
  }
  return bytes;
}

/** Checks that the tensors, in the order of their bytes, fill the data part without gaps or overlaps. */
function checkLayout(entries: readonly Entry[], dataBytes: number): void {
  let at = 0;
  let previous: string | undefined;
  for (const { name, begin, end } of entries) {
    if (begin > at) fail(`${begin - at} bytes before tensor ${excerpt(name)} belong to no tensor`);
    if (begin < at) {
      fail(`tensors ${excerpt(previous)} and ${excerpt(name)} overlap by ${at - begin} bytes`);
    }
    if (end > dataBytes) {
      fail(`tensor ${excerpt(name)} ends at byte ${end}, but only ${dataBytes} follow the header`);
    }
    at = end;
    previous = name;
  }
  if (at < dataBytes) fail(`${dataBytes - at} bytes after the last tensor belong to no tensor`);
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    fail(`${what} is ${describeJson(value)}, wanted an object`);
  }
  return value as Record<string, unknown>;
}

function describeJson(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

function isListOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
