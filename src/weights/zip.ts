/**
 * Zip archives (PKWARE's APPNOTE 6.3), as NumPy and torch write them: stored or deflated members, Zip64 sizes.
 *
 * Nothing is allocated on the word of a header before it is known to agree with the size of the file.
 *
 * @module
 */

import { excerpt } from "./excerpt.ts";
import { fail } from "./format_error.ts";
import { messageOf, type Source } from "./source.ts";

const END_SIGNATURE = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_SIGNATURE = 0x06064b50;
const ZIP64_END_BYTES = 56;
const ENTRY_SIGNATURE = 0x02014b50;
const ENTRY_BYTES = 46;
const LOCAL_SIGNATURE = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_EXTRA = 0x0001;

/** In a 32-bit or 16-bit field: the value is in the Zip64 extra field. */
const IN_ZIP64 = 0xffffffff;
const IN_ZIP64_SHORT = 0xffff;

const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED_FLAG = 1;

/** More than any archive of weights has in its directory. */
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;

/** Deflate can't make more of a byte: a back reference of 258 bytes takes two bits. */
const MAX_DEFLATE_RATIO = 1032;

/** A member of an archive, as the directory has it. */
interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly storedBytes: number;
  readonly byteLength: number;
  readonly localOffset: number;
}

/** The members of a zip archive. */
export class ZipFile {
  readonly #source: Source;
  readonly #label: string;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #starts = new Map<string, number>();

  /** Creates an archive from its parts; see {@linkcode openZip}. */
  constructor(source: Source, label: string, entries: ReadonlyMap<string, ZipEntry>) {
    this.#source = source;
    this.#label = label;
    this.#entries = entries;
  }

  /** The members' names, in the directory's order. */
  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Whether there is a member of this name. */
  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** A member's size in bytes, uncompressed; `undefined` where there is none. */
  size(name: string): number | undefined {
    return this.#entries.get(name)?.byteLength;
  }

  /**
   * Reads a part of a member, in a buffer of its own. A deflated member is inflated from its start.
   *
   * @param offset Where the part begins, in uncompressed bytes.
   * @param length Its length; the part lies within the member.
   */
  async read(name: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const entry = this.#entries.get(name);
    if (entry === undefined) fail(`it has no member ${excerpt(name)}`);
    if (offset + length > entry.byteLength) {
      fail(
        `its member ${
          excerpt(name)
        } has ${entry.byteLength} bytes, wanted ${length} from byte ${offset} on`,
      );
    }
    const start = await this.#start(entry);
    if (entry.method === STORED) {
      return await this.#source.read(this.#label, start + offset, length);
    }
    const isWhole = offset + length === entry.byteLength;
    const stored = await this.#source.read(this.#label, start, entry.storedBytes);
    const bytes = await inflated(entry, stored, offset + length, isWhole);
    return offset === 0 ? bytes : bytes.slice(offset);
  }

  /** Where a member's bytes begin: behind its own header, whose length only it knows. */
  async #start({ name, localOffset, storedBytes }: ZipEntry): Promise<number> {
    const known = this.#starts.get(name);
    if (known !== undefined) return known;
    const fileBytes = await this.#source.size(this.#label);
    if (localOffset + LOCAL_BYTES > fileBytes) {
      fail(`its member ${excerpt(name)} lies beyond the end of the file`);
    }
    const header = view(await this.#source.read(this.#label, localOffset, LOCAL_BYTES));
    if (header.getUint32(0, true) !== LOCAL_SIGNATURE) {
      fail(`there is no header of its member ${excerpt(name)} at byte ${localOffset}`);
    }
    const start = localOffset + LOCAL_BYTES + header.getUint16(26, true) +
      header.getUint16(28, true);
    if (start + storedBytes > fileBytes) {
      fail(`its member ${excerpt(name)} ends beyond the end of the file`);
    }
    this.#starts.set(name, start);
    return start;
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Inflates the first bytes of a member; memory is taken as they arrive. */
async function inflated(
  { name, byteLength }: ZipEntry,
  stored: Uint8Array<ArrayBuffer>,
  wanted: number,
  isWhole: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const stream = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  try {
    for await (const part of stream) {
      parts.push(part);
      length += part.byteLength;
      if (isWhole ? length > byteLength : length >= wanted) break;
    }
  } catch (cause) {
    fail(`its member ${excerpt(name)} can't be inflated (${messageOf(cause)})`, cause);
  }
  if (length < wanted || (isWhole && length !== byteLength)) {
    fail(
      `its member ${excerpt(name)} inflates to ${length > byteLength ? "more than" : "only"} ${
        Math.min(length, byteLength)
      } bytes, wanted ${byteLength}`,
    );
  }
  const bytes = new Uint8Array(wanted);
  let at = 0;
  for (const part of parts) {
    const kept = part.subarray(0, wanted - at);
    bytes.set(kept, at);
    at += kept.byteLength;
  }
  return bytes;
}

/**
 * Opens a zip archive: reads its directory and checks it against the size of the file. What breaks the format is a plain reason for
 * `reading` to name the file in.
 *
 * @param source Where the file is.
 * @param label The file's name there.
 */
export async function openZip(source: Source, label: string): Promise<ZipFile> {
  const fileBytes = await source.size(label);
  const { offset, byteLength, count } = await findDirectory(source, label, fileBytes);
  if (byteLength > MAX_DIRECTORY_BYTES) {
    fail(`its directory claims ${byteLength} bytes, wanted at most ${MAX_DIRECTORY_BYTES}`);
  }
  if (offset + byteLength > fileBytes) {
    fail(`its directory claims to end at byte ${offset + byteLength} of ${fileBytes}`);
  }
  const directory = view(await source.read(label, offset, byteLength));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = readEntry(directory, at, fileBytes);
    if (entries.has(entry.name)) fail(`it has two members ${excerpt(entry.name)}`);
    entries.set(entry.name, entry);
    at = next;
  }
  return new ZipFile(source, label, entries);
}

interface Directory {
  readonly offset: number;
  readonly byteLength: number;
  readonly count: number;
}

/** Finds the directory through the record at the end of the file. */
async function findDirectory(
  source: Source,
  label: string,
  fileBytes: number,
): Promise<Directory> {
  const tailBytes = Math.min(fileBytes, END_BYTES + MAX_COMMENT_BYTES + ZIP64_LOCATOR_BYTES);
  const tailStart = fileBytes - tailBytes;
  const tail = view(await source.read(label, tailStart, tailBytes));
  let at = tailBytes - END_BYTES;
  while (at >= 0 && !isEnd(tail, at)) at--;
  if (at < 0) fail("it isn't a zip archive, or it is cut off: there is no record at its end");
  const directory = {
    count: tail.getUint16(at + 10, true),
    byteLength: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  };
  const isZip64 = directory.count === IN_ZIP64_SHORT || directory.byteLength === IN_ZIP64 ||
    directory.offset === IN_ZIP64;
  if (!isZip64) return directory;
  const locator = at - ZIP64_LOCATOR_BYTES;
  if (locator < 0 || tail.getUint32(locator, true) !== ZIP64_LOCATOR_SIGNATURE) return directory;
  const recordOffset = count64(tail, locator + 8, "the place of its directory's record");
  if (recordOffset + ZIP64_END_BYTES > fileBytes) {
    fail(`its directory's record claims to begin at byte ${recordOffset} of ${fileBytes}`);
  }
  const record = view(await source.read(label, recordOffset, ZIP64_END_BYTES));
  if (record.getUint32(0, true) !== ZIP64_END_SIGNATURE) {
    fail(`there is no record of its directory at byte ${recordOffset}`);
  }
  return {
    count: count64(record, 32, "its number of members"),
    byteLength: count64(record, 40, "its directory's size"),
    offset: count64(record, 48, "its directory's place"),
  };
}

/** Whether the record of the end is there: its comment reaches to the end of the file. */
function isEnd(tail: DataView, at: number): boolean {
  return tail.getUint32(at, true) === END_SIGNATURE &&
    at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength;
}

function count64(bytes: DataView, at: number, what: string): number {
  const value = bytes.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail(`${what} is ${value}, beyond 2^53`);
  return Number(value);
}

/** Reads an entry of the directory, and says where the next begins. */
function readEntry(
  directory: DataView,
  at: number,
  fileBytes: number,
): { entry: ZipEntry; next: number } {
  const left = directory.byteLength - at;
  if (left < ENTRY_BYTES || directory.getUint32(at, true) !== ENTRY_SIGNATURE) {
    fail(`there is no member at byte ${at} of its directory`);
  }
  const nameBytes = directory.getUint16(at + 28, true);
  const extraBytes = directory.getUint16(at + 30, true);
  const commentBytes = directory.getUint16(at + 32, true);
  const next = at + ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
  if (next > directory.byteLength) fail("its directory is cut off");
  const part = (offset: number, length: number) =>
    new Uint8Array(directory.buffer, directory.byteOffset + offset, length);
  const name = memberName(part(at + ENTRY_BYTES, nameBytes));
  if (directory.getUint16(at + 8, true) & ENCRYPTED_FLAG) {
    fail(`its member ${excerpt(name)} is encrypted`);
  }
  const method = directory.getUint16(at + 10, true);
  if (method !== STORED && method !== DEFLATED) {
    fail(
      `its member ${
        excerpt(name)
      } is compressed by method ${method}, wanted ${STORED} (stored) or ` +
        `${DEFLATED} (deflated)`,
    );
  }
  const extra = zip64Values(part(at + ENTRY_BYTES + nameBytes, extraBytes));
  const size = (offset: number, what: string) => {
    const value = directory.getUint32(at + offset, true);
    return value === IN_ZIP64 ? extra(`the ${what} of ${excerpt(name)}`) : value;
  };
  // The order in which the extra field has them.
  const byteLength = size(24, "size");
  const storedBytes = size(20, "stored size");
  const localOffset = size(42, "place");
  if (storedBytes > fileBytes) {
    fail(`its member ${excerpt(name)} claims ${storedBytes} of the file's ${fileBytes} bytes`);
  }
  const most = method === STORED ? storedBytes : storedBytes * MAX_DEFLATE_RATIO;
  if (byteLength > most || (method === STORED && byteLength !== storedBytes)) {
    fail(`its member ${excerpt(name)} claims ${byteLength} bytes in ${storedBytes} stored ones`);
  }
  return { entry: { name, method, byteLength, storedBytes, localOffset }, next };
}

function memberName(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    fail("the name of one of its members isn't UTF-8 text", cause);
  }
}

/** Gives the values of the Zip64 extra field one after another. */
function zip64Values(extra: Uint8Array): (what: string) => number {
  const fields = view(extra);
  let at = 0;
  let end = 0;
  for (let field = 0; field + 4 <= extra.byteLength;) {
    const length = fields.getUint16(field + 2, true);
    if (fields.getUint16(field, true) === ZIP64_EXTRA) {
      at = field + 4;
      end = Math.min(at + length, extra.byteLength);
      break;
    }
    field += 4 + length;
  }
  return (what) => {
    if (at + 8 > end) fail(`${what} should be in a Zip64 field, which isn't there`);
    const value = count64(fields, at, what);
    at += 8;
    return value;
  };
}
