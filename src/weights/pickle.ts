/**
 * Python's pickle format, restricted: it builds plain values, and what a caller's table of names makes. No code is run, nothing is
 * imported, and an opcode or a name beyond these is an error that says which.
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";
import { fail } from "./format_error.ts";

/** A dictionary. Keys are texts, numbers or booleans. */
export type PickleDict = Map<unknown, unknown>;

/** A name that a pickle refers to, when the caller knows it. */
export class PickleGlobal {
  /** Module and name, `collections OrderedDict`. */
  readonly name: string;

  /** Names something. */
  constructor(name: string) {
    this.name = name;
  }
}

/** What a pickle may build beside plain values. */
export interface PickleTable {
  /** Makes of arguments what a name stands for, by module and name; names without a maker may only be passed on. */
  readonly makers: Readonly<Record<string, ((args: readonly unknown[]) => unknown) | undefined>>;
  /** Makes what a persistent id stands for. */
  persistent(id: unknown): unknown;
  /** Takes the state that is given to something built; says whether it may have one. */
  build?(target: unknown, state: unknown): boolean;
}

const MARK = Symbol("mark");

/** Opcodes by name, as Python's `pickletools` has them. */
const OP = {
  MARK: 0x28,
  STOP: 0x2e,
  POP: 0x30,
  POP_MARK: 0x31,
  DUP: 0x32,
  BINBYTES: 0x42,
  SHORT_BINBYTES: 0x43,
  BINFLOAT: 0x47,
  BININT: 0x4a,
  BININT1: 0x4b,
  BININT2: 0x4d,
  NONE: 0x4e,
  BINPERSID: 0x51,
  REDUCE: 0x52,
  BINSTRING: 0x54,
  SHORT_BINSTRING: 0x55,
  BINUNICODE: 0x58,
  EMPTY_LIST: 0x5d,
  APPEND: 0x61,
  BUILD: 0x62,
  GLOBAL: 0x63,
  DICT: 0x64,
  APPENDS: 0x65,
  BINGET: 0x68,
  LONG_BINGET: 0x6a,
  LIST: 0x6c,
  BINPUT: 0x71,
  LONG_BINPUT: 0x72,
  SETITEM: 0x73,
  TUPLE: 0x74,
  SETITEMS: 0x75,
  EMPTY_DICT: 0x7d,
  EMPTY_TUPLE: 0x29,
  PROTO: 0x80,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  LONG1: 0x8a,
  SHORT_BINUNICODE: 0x8c,
  BINUNICODE8: 0x8d,
  BINBYTES8: 0x8e,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
} as const;

const MAX_PROTOCOL = 5;

/** Bytes, front to back. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves over bytes that have to be there, and says where they began. */
  take(length: number): number {
    const start = this.at;
    if (length > this.#bytes.byteLength - start) {
      fail(`its pickle is cut off: wanted ${length} bytes at byte ${start}`);
    }
    this.at += length;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.take(4), true);
  }

  /** A size of eight bytes. */
  u64(): number {
    const value = this.#view.getBigUint64(this.take(8), true);
    return Number(value);
  }

  f64(): number {
    return this.#view.getFloat64(this.take(8), false);
  }

  bytes(length: number): Uint8Array {
    const start = this.take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const at = this.at;
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes(length));
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      fail(`its pickle has a text at byte ${at} that isn't UTF-8`, cause);
    }
  }

  /** Up to the end of the line, which isn't part of it. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) fail(`its pickle is cut off: wanted the end of a line after byte ${this.at}`);
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  /** A whole number of up to eight bytes, little-endian and signed. */
  long(length: number): number {
    const start = this.at;
    const bytes = this.bytes(length);
    let value = 0n;
    for (const byte of bytes.toReversed()) value = value << 8n | BigInt(byte);
    if (length > 0) value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) fail(`its pickle has a number beyond 2^53 at byte ${start}`);
    return number;
  }
}

/** Runs a pickle's opcodes over a stack. */
class Unpickler {
  readonly #reader: Reader;
  readonly #table: PickleTable;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(bytes: Uint8Array, table: PickleTable) {
    this.#reader = new Reader(bytes);
    this.#table = table;
  }

  run(): unknown {
    for (;;) {
      const at = this.#reader.at;
      const code = this.#reader.u8();
      if (code === OP.STOP) return this.#pop();
      const step = STEPS.get(code);
      if (step === undefined) {
        fail(`its pickle has the opcode ${opcodeName(code)} at byte ${at}, which isn't read`);
      }
      step(this, this.#reader);
    }
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    return this.#pop();
  }

  top(): unknown {
    if (this.#stack.length === 0) fail("its pickle takes from an empty stack");
    return this.#stack[this.#stack.length - 1];
  }

  /** Takes what was pushed since the last mark, and the mark. */
  popMark(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) fail("its pickle has no mark where one is wanted");
    return this.#stack.splice(at).slice(1);
  }

  put(index: number): void {
    this.#memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    if (!this.#memo.has(index)) fail(`its pickle refers to value ${index}, which there isn't`);
    this.push(this.#memo.get(index));
  }

  global(module: unknown, name: unknown): void {
    const full = `${module} ${name}`;
    if (typeof module !== "string" || typeof name !== "string") {
      fail(`its pickle refers to a name that isn't a text`);
    }
    if (!Object.hasOwn(this.#table.makers, full)) {
      fail(
        `its pickle refers to ${
          excerpt(`${module}.${name}`)
        }, and only tensors, dictionaries, lists ` +
          "and plain values are read",
      );
    }
    this.push(new PickleGlobal(full));
  }

  reduce(): void {
    const args = this.#pop();
    const callable = this.#pop();
    if (!(callable instanceof PickleGlobal) || !Array.isArray(args)) {
      fail("its pickle calls something that has no name");
    }
    const make = this.#table.makers[callable.name];
    if (make === undefined) {
      fail(`its pickle calls "${callable.name.replace(" ", ".")}", which nothing is made of`);
    }
    this.push(make(args));
  }

  persistent(): void {
    this.push(this.#table.persistent(this.#pop()));
  }

  build(): void {
    const state = this.#pop();
    if (this.#table.build?.(this.top(), state)) return;
    fail("its pickle gives a state to something that has none");
  }

  list(): unknown[] {
    const list = this.top();
    if (!Array.isArray(list)) fail("its pickle appends to something that isn't a list");
    return list;
  }

  dict(): PickleDict {
    const dict = this.top();
    if (!(dict instanceof Map)) {
      fail("its pickle sets an item of something that isn't a dictionary");
    }
    return dict;
  }

  #pop(): unknown {
    const value = this.top();
    if (value === MARK) fail("its pickle takes a mark for a value");
    this.#stack.pop();
    return value;
  }
}

function setItems(dict: PickleDict, items: readonly unknown[]): PickleDict {
  if (items.length % 2 !== 0) fail("its pickle sets a key without a value");
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    if (typeof key !== "string" && typeof key !== "number" && typeof key !== "boolean") {
      fail("its pickle has a key that is neither a text nor a number");
    }
    dict.set(key, items[i + 1]);
  }
  return dict;
}

type Step = (machine: Unpickler, reader: Reader) => void;

/** A tuple of the values on top of the stack. */
function tuple(length: number): Step {
  return (machine) => {
    const items = Array.from({ length }, () => machine.pop());
    machine.push(items.reverse());
  };
}

/** What each opcode does. */
const STEPS: ReadonlyMap<number, Step> = new Map<number, Step>([
  [OP.PROTO, (_, reader) => {
    const protocol = reader.u8();
    if (protocol > MAX_PROTOCOL) {
      fail(`its pickle has protocol ${protocol}, wanted at most ${MAX_PROTOCOL}`);
    }
  }],
  // Frames only say how much to read ahead.
  [OP.FRAME, (_, reader) => void reader.take(8)],
  [OP.MARK, (machine) => machine.push(MARK)],
  [OP.POP, (machine) => void machine.pop()],
  [OP.POP_MARK, (machine) => void machine.popMark()],
  [OP.DUP, (machine) => machine.push(machine.top())],
  [OP.NONE, (machine) => machine.push(null)],
  [OP.NEWTRUE, (machine) => machine.push(true)],
  [OP.NEWFALSE, (machine) => machine.push(false)],
  [OP.BININT, (machine, reader) => machine.push(reader.i32())],
  [OP.BININT1, (machine, reader) => machine.push(reader.u8())],
  [OP.BININT2, (machine, reader) => machine.push(reader.u16())],
  [OP.LONG1, (machine, reader) => machine.push(reader.long(reader.u8()))],
  [OP.BINFLOAT, (machine, reader) => machine.push(reader.f64())],
  [OP.SHORT_BINSTRING, (machine, reader) => machine.push(reader.text(reader.u8()))],
  [OP.BINSTRING, (machine, reader) => machine.push(reader.text(reader.u32()))],
  [OP.SHORT_BINUNICODE, (machine, reader) => machine.push(reader.text(reader.u8()))],
  [OP.BINUNICODE, (machine, reader) => machine.push(reader.text(reader.u32()))],
  [OP.BINUNICODE8, (machine, reader) => machine.push(reader.text(reader.u64()))],
  [OP.SHORT_BINBYTES, (machine, reader) => machine.push(reader.bytes(reader.u8()).slice())],
  [OP.BINBYTES, (machine, reader) => machine.push(reader.bytes(reader.u32()).slice())],
  [OP.BINBYTES8, (machine, reader) => machine.push(reader.bytes(reader.u64()).slice())],
  [OP.EMPTY_LIST, (machine) => machine.push([])],
  [OP.LIST, (machine) => machine.push(machine.popMark())],
  [OP.APPEND, (machine) => {
    const item = machine.pop();
    machine.list().push(item);
  }],
  [OP.APPENDS, (machine) => {
    const items = machine.popMark();
    const list = machine.list();
    for (const item of items) list.push(item);
  }],
  [OP.EMPTY_TUPLE, (machine) => machine.push([])],
  [OP.TUPLE, (machine) => machine.push(machine.popMark())],
  [OP.TUPLE1, tuple(1)],
  [OP.TUPLE2, tuple(2)],
  [OP.TUPLE3, tuple(3)],
  [OP.EMPTY_DICT, (machine) => machine.push(new Map())],
  [OP.DICT, (machine) => machine.push(setItems(new Map(), machine.popMark()))],
  [OP.SETITEM, (machine) => {
    const value = machine.pop();
    const key = machine.pop();
    setItems(machine.dict(), [key, value]);
  }],
  [OP.SETITEMS, (machine) => {
    const items = machine.popMark();
    setItems(machine.dict(), items);
  }],
  [OP.BINPUT, (machine, reader) => machine.put(reader.u8())],
  [OP.LONG_BINPUT, (machine, reader) => machine.put(reader.u32())],
  [OP.MEMOIZE, (machine) => machine.memoize()],
  [OP.BINGET, (machine, reader) => machine.get(reader.u8())],
  [OP.LONG_BINGET, (machine, reader) => machine.get(reader.u32())],
  [OP.GLOBAL, (machine, reader) => machine.global(reader.line(), reader.line())],
  [OP.STACK_GLOBAL, (machine) => {
    const name = machine.pop();
    machine.global(machine.pop(), name);
  }],
  [OP.REDUCE, (machine) => machine.reduce()],
  [OP.BINPERSID, (machine) => machine.persistent()],
  [OP.BUILD, (machine) => machine.build()],
]);

/** Opcodes that are known and not read, for messages. */
const REFUSED: Readonly<Record<number, string>> = {
  0x46: "FLOAT",
  0x49: "INT",
  0x4c: "LONG",
  0x50: "PERSID",
  0x53: "STRING",
  0x56: "UNICODE",
  0x67: "GET",
  0x69: "INST",
  0x6f: "OBJ",
  0x70: "PUT",
  0x81: "NEWOBJ",
  0x82: "EXT1",
  0x83: "EXT2",
  0x84: "EXT4",
  0x8b: "LONG4",
  0x8f: "EMPTY_SET",
  0x90: "ADDITEMS",
  0x91: "FROZENSET",
  0x92: "NEWOBJ_EX",
  0x96: "BYTEARRAY8",
  0x97: "NEXT_BUFFER",
  0x98: "READONLY_BUFFER",
};

function opcodeName(code: number): string {
  return REFUSED[code] ?? excerpt(`0x${code.toString(16).padStart(2, "0")}`);
}

/**
 * Reads a pickle. What breaks the format is a plain reason for `reading` to name the file in.
 *
 * Tuples and lists become arrays, dictionaries maps. A value that a pickle refers to twice is one object; a pickle can make it
 * contain itself.
 *
 * @param bytes The pickle.
 * @param table What it may build beside plain values.
 */
export function unpickle(bytes: Uint8Array, table: PickleTable): unknown {
  return new Unpickler(bytes, table).run();
}
