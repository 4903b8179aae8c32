/** Makes broken files of whole ones: byte by byte, field by field, or word by word. */

/** A stream of pseudo-random whole numbers. */
export class Dice {
  #state: number;

  /** Starts a stream; equal seeds give equal streams (mulberry32). */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next 32 bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `n - 1`. */
  below(n: number): number {
    return this.bits() % Math.max(1, n);
  }

  /** One of several. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

/** Makes another file of one. */
type Mutation = (file: Uint8Array, dice: Dice, corpus: readonly Uint8Array[]) => Uint8Array;

/** Numbers at which sizes, counts and signs turn over. */
const EXTREMES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0xfffffffen,
  0xffffffffn,
  0x100000000n,
  0x1fffffffffffffn,
  0x20000000000000n,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
];

function changed(file: Uint8Array, write: (copy: Uint8Array) => void): Uint8Array {
  const copy = file.slice();
  write(copy);
  return copy;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const flipBit: Mutation = (file, dice) =>
  changed(file, (copy) => copy[dice.below(copy.length)] ^= 1 << dice.below(8));

const setByte: Mutation = (file, dice) =>
  changed(file, (copy) => copy[dice.below(copy.length)] = dice.below(256));

/** Writes an extreme number of one to eight bytes over what is there. */
const setNumber: Mutation = (file, dice) =>
  changed(file, (copy) => {
    const width = dice.pick([1, 2, 4, 8]);
    const at = dice.below(copy.length);
    let value = dice.pick(EXTREMES);
    for (let i = at; i < Math.min(at + width, copy.length); i++) {
      copy[i] = Number(value & 0xffn);
      value >>= 8n;
    }
  });

const truncate: Mutation = (file, dice) => file.slice(0, dice.below(file.length + 1));

const append: Mutation = (file, dice) =>
  joined(file, Uint8Array.from({ length: 1 + dice.below(32) }, () => dice.below(256)));

const remove: Mutation = (file, dice) => {
  const from = dice.below(file.length);
  const to = Math.min(file.length, from + 1 + dice.below(16));
  return joined(file.subarray(0, from), file.subarray(to));
};

const insert: Mutation = (file, dice) => {
  const at = dice.below(file.length + 1);
  const bytes = Uint8Array.from({ length: 1 + dice.below(8) }, () => dice.below(256));
  return joined(file.subarray(0, at), bytes, file.subarray(at));
};

/** Copies a part of the file over another. */
const copyWithin: Mutation = (file, dice) =>
  changed(file, (copy) => {
    const from = dice.below(copy.length);
    copy.copyWithin(dice.below(copy.length), from, from + 1 + dice.below(64));
  });

/** The beginning of one file and the end of another. */
const cross: Mutation = (file, dice, corpus) => {
  const other = dice.pick(corpus);
  return joined(
    file.subarray(0, dice.below(file.length)),
    other.subarray(dice.below(other.length)),
  );
};

const BINARY = [flipBit, setByte, setNumber, truncate, append, remove, insert, copyWithin, cross];

/** Words that stand where numbers and names stand. */
const WORDS = [
  "0",
  "1",
  "-1",
  "2",
  "1e9",
  "4294967296",
  "9007199254740993",
  "1e308",
  "1e999",
  "-0.5",
  "null",
  "true",
  "false",
  '""',
  '"x"',
  '"__proto__"',
  "[]",
  "{}",
  "[[[[[[[[]]]]]]]]",
];

/** The places of the values of a JSON text: numbers, words and strings that aren't keys. */
function valuesOf(text: string): { from: number; to: number }[] {
  const token = /"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g;
  return [...text.matchAll(token)].map(({ index, 0: { length } }) => ({
    from: index,
    to: index + length,
  }));
}

/** Replaces a value of a JSON text by an extreme one, or by another of its own. */
const replaceValue: Mutation = (file, dice) => {
  const text = new TextDecoder().decode(file);
  const values = valuesOf(text);
  if (values.length === 0) return file;
  const { from, to } = dice.pick(values);
  const other = dice.pick(values);
  const word = dice.below(3) === 0 ? text.slice(other.from, other.to) : dice.pick(WORDS);
  return new TextEncoder().encode(text.slice(0, from) + word + text.slice(to));
};

/** Leaves a line out, or repeats it. */
const dropLine: Mutation = (file, dice) => {
  const lines = new TextDecoder().decode(file).split("\n");
  const at = dice.below(lines.length);
  lines.splice(at, 1, ...dice.below(2) === 0 ? [] : [lines[at], lines[at]]);
  return new TextEncoder().encode(lines.join("\n"));
};

const TEXT = [
  replaceValue,
  replaceValue,
  replaceValue,
  dropLine,
  flipBit,
  setByte,
  remove,
  insert,
  truncate,
];

/** Whether files are bytes, or text whose words have meanings. */
export type FileKind = "binary" | "text";

/**
 * Makes one broken file.
 *
 * @param corpus Whole files.
 * @param kind What they are.
 * @param dice Decides which file, how often and how it is changed.
 */
export function mutated(corpus: readonly Uint8Array[], kind: FileKind, dice: Dice): Uint8Array {
  const mutations = kind === "binary" ? BINARY : TEXT;
  let file = dice.pick(corpus);
  // Most files have one fault: a second often hides behind the first.
  for (let n = 1 + dice.below(2) * dice.below(4); n > 0; n--) {
    if (file.length > 0) file = dice.pick(mutations)(file, dice, corpus);
  }
  return file;
}
