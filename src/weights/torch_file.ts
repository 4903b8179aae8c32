/**
 * Files of `torch.save` (PyTorch 1.6 and later): a zip archive of a pickle and the storages that its tensors lie in.
 *
 * The pickle is read by a restricted reader that can build nothing but tensors, dictionaries, lists and plain values.
 *
 * @module
 */

import { WeightFileError } from "../core/errors.ts";
import { excerpt } from "./excerpt.ts";
import { fail, reading } from "./format_error.ts";
import { type PickleDict, PickleGlobal, type PickleTable, unpickle } from "./pickle.ts";
import { requireTensor, type TensorFile, type TensorInfo } from "./safetensors.ts";
import { messageOf, type Source } from "./source.ts";
import { gathered, isRowMajor } from "./strided.ts";
import { convertTensor, type StoredDtype, storedSize, type TensorData } from "./tensor_data.ts";
import { openZip, type ZipFile } from "./zip.ts";

/** torch's storages and what they hold. */
const STORAGES: Readonly<Record<string, StoredDtype>> = {
  "torch DoubleStorage": "F64",
  "torch FloatStorage": "F32",
  "torch HalfStorage": "F16",
  "torch BFloat16Storage": "BF16",
  "torch LongStorage": "I64",
  "torch IntStorage": "I32",
  "torch ShortStorage": "I16",
  "torch CharStorage": "I8",
  "torch ByteStorage": "U8",
  "torch BoolStorage": "BOOL",
};

/** How the pickles begin that torch wrote before it wrote archives: protocol 2 and a magic number of ten bytes. */
const LEGACY_START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20];

/** More than any pickle of names and shapes takes. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;

/** Nothing that is deeper, or has more entries, is a file of weights: a pickle may contain itself. */
const MAX_DEPTH = 16;
const MAX_ENTRIES = 100_000;

/** Elements beyond those of the storage that a tensor may show again and again (`expand`). */
const MAX_EXPANDED = 2 ** 20;

/** A storage: named bytes of the archive. */
class Storage {
  constructor(
    readonly key: string,
    readonly dtype: StoredDtype,
    readonly count: number,
  ) {}
}

/** A tensor: a view of a storage. */
class StoredTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /** How many elements of the storage it spans. */
  get span(): number {
    if (this.shape.includes(0)) return 0;
    return this.shape.reduce((span, n, axis) => span + (n - 1) * this.strides[axis], 1);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

/** `('storage', torch.FloatStorage, key, place, count)`. */
function storageOf(id: unknown): Storage {
  const [kind, type, key, , count] = Array.isArray(id) ? id : [];
  const dtype = type instanceof PickleGlobal ? STORAGES[type.name] : undefined;
  if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(count)) {
    fail("its pickle refers to something outside it that isn't a storage of numbers");
  }
  return new Storage(key, dtype, count);
}

/** `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`. */
function tensorOf([storage, offset, shape, strides]: readonly unknown[]): StoredTensor {
  const isThere = storage instanceof Storage && isCount(offset) && isCounts(shape) &&
    isCounts(strides) && shape.length === strides.length;
  if (!isThere) fail("its pickle makes a tensor of something else than a storage and counts");
  const tensor = new StoredTensor(storage, offset, shape, strides);
  const elements = shape.reduce((product, n) => product * n, 1);
  if (!(offset + tensor.span <= storage.count)) {
    fail(
      `a tensor of shape ${excerpt(shape)} with strides ${
        excerpt(strides)
      } from element ${offset} ` +
        `on leaves its storage of ${storage.count}`,
    );
  }
  if (elements > Math.max(storage.count, MAX_EXPANDED)) {
    fail(`a tensor of shape ${excerpt(shape)} shows a storage of ${storage.count} again and again`);
  }
  return tensor;
}

const TABLE: PickleTable = {
  makers: {
    ...Object.fromEntries(Object.keys(STORAGES).map((name) => [name, undefined])),
    "torch._utils _rebuild_tensor_v2": tensorOf,
    "torch._utils _rebuild_parameter": ([tensor]) => {
      if (!(tensor instanceof StoredTensor)) fail("its pickle makes a parameter of no tensor");
      return tensor;
    },
    "collections OrderedDict": ([items]) => {
      const dict: PickleDict = new Map();
      if (items === undefined) return dict;
      if (!Array.isArray(items)) fail("its pickle makes a dictionary of something else than pairs");
      for (const pair of items) {
        if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
          fail("its pickle makes a dictionary of something else than pairs");
        }
        dict.set(pair[0], pair[1]);
      }
      return dict;
    },
    "torch Size": ([counts]) => {
      if (!isCounts(counts)) fail("its pickle makes a shape of something else than counts");
      return counts;
    },
  },
  persistent: storageOf,
  // A state dict's `_metadata`: the versions of modules.
  build: (target) => target instanceof Map,
};

/** A file of `torch.save` whose pickle has been read. */
export interface TorchFile extends TensorFile {
  /** What it holds beside tensors, by the same kind of name: texts, numbers, booleans and null. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** Collects tensors and plain values by their paths, joined by dots. */
class Collected {
  readonly tensors = new Map<string, StoredTensor>();
  readonly values = new Map<string, unknown>();
  #entries = 0;

  add(path: readonly unknown[], value: unknown): void {
    if (path.length > MAX_DEPTH) fail(`its values lie more than ${MAX_DEPTH} deep`);
    if (++this.#entries > MAX_ENTRIES) fail(`it has more than ${MAX_ENTRIES} values`);
    if (value instanceof Map) {
      for (const [key, part] of value) this.add([...path, key], part);
    } else if (Array.isArray(value)) {
      value.forEach((part, i) => this.add([...path, i], part));
    } else {
      const name = path.join(".");
      const found = value instanceof StoredTensor ? this.tensors : this.values;
      if (found.has(name)) fail(`it has two values named ${excerpt(name)}`);
      if (value instanceof StoredTensor) this.tensors.set(name, value);
      else this.values.set(name, value);
    }
  }
}

class OpenTorchFile implements TorchFile {
  readonly label: string;
  readonly values: ReadonlyMap<string, unknown>;
  readonly #zip: ZipFile;
  readonly #root: string;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;

  constructor(label: string, zip: ZipFile, root: string, { tensors, values }: Collected) {
    this.label = label;
    this.values = values;
    this.#zip = zip;
    this.#root = root;
    this.#tensors = tensors;
  }

  get names(): readonly string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  info(name: string): TensorInfo {
    const { storage: { dtype }, shape, strides } = this.#tensor(name);
    const byteLength = shape.reduce((product, n) => product * n, storedSize(dtype));
    const order = isRowMajor(shape, strides) ? {} : { isReordered: true };
    return { dtype, shape, byteLength, ...order };
  }

  async read(name: string): Promise<TensorData> {
    const { storage: { dtype }, shape, strides, span } = this.#tensor(name);
    const bytes = await this.#readSpan(name);
    try {
      return gathered(convertTensor(dtype, [span], bytes), shape, strides);
    } catch (cause) {
      throw new WeightFileError(`Cannot read "${name}" in "${this.label}": ${messageOf(cause)}`, {
        cause,
      });
    }
  }

  async readRaw(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { shape, strides } = this.#tensor(name);
    if (!isRowMajor(shape, strides)) {
      throw new WeightFileError(
        `Cannot read the bytes of "${name}" in "${this.label}": they don't lie row by row`,
      );
    }
    return await this.#readSpan(name);
  }

  /** The bytes of the part of the storage that a tensor spans. */
  async #readSpan(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const { storage: { key, dtype }, offset, span } = this.#tensor(name);
    const size = storedSize(dtype);
    const member = `${this.#root}data/${key}`;
    if (span === 0) return new Uint8Array(0);
    return await reading(this.label, () => this.#zip.read(member, offset * size, span * size));
  }

  #tensor(name: string): StoredTensor {
    return requireTensor(this.#tensors, this.label, name);
  }
}

/**
 * Opens a file of `torch.save`. Tensors and plain values are named by their keys, those of dictionaries within dictionaries joined by
 * dots. Strides, offsets and storages that tensors share are honoured.
 *
 * @param source Where the file is.
 * @param name The file's name there.
 * @throws {WeightFileError} If there is no such file, it breaks the format, or its pickle builds something else than tensors,
 *   dictionaries, lists and plain values; the message names what.
 */
export async function openTorchFile(source: Source, name: string): Promise<TorchFile> {
  return await reading(name, async () => {
    await refuseLegacy(source, name);
    const zip = await openZip(source, name);
    const root = rootOf(zip);
    await checkByteOrder(zip, root);
    const bytes = zip.size(`${root}${PICKLE}`) ?? 0;
    if (bytes > MAX_PICKLE_BYTES) {
      fail(`its pickle has ${bytes} bytes, wanted at most ${MAX_PICKLE_BYTES}`);
    }
    const found = new Collected();
    found.add([], unpickle(await zip.read(`${root}${PICKLE}`, 0, bytes), TABLE));
    checkStorages(zip, root, found);
    return new OpenTorchFile(name, zip, root, found);
  });
}

const PICKLE = "data.pkl";

/** The folder of the archive that everything is in. */
function rootOf(zip: ZipFile): string {
  const pickle = zip.names.find((member) => /^[^/]*\/data\.pkl$/.test(member));
  if (pickle === undefined) fail(`its archive has no "${PICKLE}", which torch.save writes`);
  const root = pickle.slice(0, -PICKLE.length);
  if (zip.has(`${root}constants.pkl`)) {
    fail("it is a TorchScript program, wanted weights: save its state_dict()");
  }
  return root;
}

async function checkByteOrder(zip: ZipFile, root: string): Promise<void> {
  const member = `${root}byteorder`;
  const size = zip.size(member);
  if (size === undefined) return;
  const order = new TextDecoder().decode(await zip.read(member, 0, Math.min(size, 16)));
  if (order !== "little") {
    fail(`its numbers are in the byte order ${excerpt(order)}, wanted little`);
  }
}

/** Checks that the archive has every storage that a tensor lies in, in the size that the pickle says. */
function checkStorages(zip: ZipFile, root: string, { tensors }: Collected): void {
  for (const [name, { storage: { key, dtype, count } }] of tensors) {
    const size = zip.size(`${root}data/${key}`);
    if (size === count * storedSize(dtype)) continue;
    fail(
      `the storage of its tensor ${excerpt(name)} has ${
        size ?? "no"
      } bytes, but ${count} of ${dtype} ` +
        `need ${count * storedSize(dtype)}`,
    );
  }
}

async function refuseLegacy(source: Source, name: string): Promise<void> {
  const size = await source.size(name);
  if (size < LEGACY_START.length) return;
  const start = await source.read(name, 0, LEGACY_START.length);
  if (!LEGACY_START.every((byte, i) => start[i] === byte)) return;
  fail(
    "it is of PyTorch before 1.6, wanted a zip archive: load it and save it again with a newer PyTorch, " +
      "or as safetensors",
  );
}
