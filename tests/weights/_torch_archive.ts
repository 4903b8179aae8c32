/** Writes archives as torch.save does, of a state dict of float32 tensors. */
import { storedZip } from "../fuzz/_zip.ts";

/** A tensor to write, rows first. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** A number in four bytes, the lowest first. */
function uint32(value: number): number[] {
  return [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
}

/** Opcodes of pickle's protocol 2, those that a state dict needs. */
const MARK = [0x28], TUPLE = [0x74], REDUCE = [0x52], EMPTY_TUPLE = [0x29], FALSE = [0x89];
const text = (value: string) => [0x58, ...uint32(encode(value).length), ...encode(value)];
const int = (value: number) => [0x4a, ...uint32(value)];
const ints = (values: readonly number[]) => [...MARK, ...values.flatMap(int), ...TUPLE];
const global = (module: string, name: string) => [0x63, ...encode(`${module}\n${name}\n`)];

function pickled(tensors: readonly (readonly [name: string, tensor: TorchTensor])[]): Uint8Array {
  const entries = tensors.flatMap(([name, { shape, data }], key) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((n, dim) => n * dim, 1));
    return [
      ...text(name),
      ...global("torch._utils", "_rebuild_tensor_v2"),
      ...MARK,
      // The storage, by reference to a member of the archive.
      ...[...MARK, ...text("storage"), ...global("torch", "FloatStorage"), ...text(String(key))],
      ...[...text("cpu"), ...int(data.length), ...TUPLE, 0x51],
      ...int(0),
      ...ints(shape),
      ...ints(strides),
      ...FALSE,
      ...[...global("collections", "OrderedDict"), ...EMPTY_TUPLE, ...REDUCE],
      ...TUPLE,
      ...REDUCE,
    ];
  });
  return new Uint8Array([0x80, 2, 0x7d, ...MARK, ...entries, 0x75, 0x2e]);
}

/**
 * Writes a state dict.
 *
 * @param name The archive's folder, which torch calls after the file.
 */
export function torchArchive(
  name: string,
  tensors: Readonly<Record<string, TorchTensor>>,
): Uint8Array {
  const entries = Object.entries(tensors);
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  return storedZip(
    new Map([
      [`${name}/data.pkl`, pickled(entries)],
      [`${name}/byteorder`, encode("little")],
      ...entries.map(([, { data }], key) => [`${name}/data/${key}`, bytes(data)] as const),
      [`${name}/version`, encode("3\n")],
    ]),
  );
}
