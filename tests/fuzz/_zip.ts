/** Zip archives of stored members, for tests that put one together. */

/** The members of an archive of stored ones, by name. */
export function unzipped(archive: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(archive.buffer, archive.byteOffset, archive.byteLength);
  const end = archive.length - 22;
  let at = view.getUint32(end + 16, true);
  const members = new Map<string, Uint8Array>();
  for (let i = 0; i < view.getUint16(end + 10, true); i++) {
    const [nameBytes, extraBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
    const name = new TextDecoder().decode(archive.subarray(at + 46, at + 46 + nameBytes));
    const local = view.getUint32(at + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    members.set(name, archive.slice(start, start + view.getUint32(at + 24, true)));
    at += 46 + nameBytes + extraBytes;
  }
  return members;
}

function record(length: number, ...fields: readonly [at: number, bytes: number, value: number][]) {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  for (const [at, width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return bytes;
}

/** Writes an archive whose members are stored as they are. */
export function storedZip(members: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, data] of members) {
    const text = new TextEncoder().encode(name);
    const size = data.length;
    directory.push(
      record(46, [0, 4, 0x02014b50], [20, 4, size], [24, 4, size], [28, 2, text.length], [
        42,
        4,
        at,
      ]),
      text,
    );
    parts.push(
      record(30, [0, 4, 0x04034b50], [18, 4, size], [22, 4, size], [26, 2, text.length]),
      text,
      data,
    );
    at += 30 + text.length + size;
  }
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  const end = record(
    22,
    [0, 4, 0x06054b50],
    [8, 2, members.size],
    [10, 2, members.size],
    [12, 4, directoryBytes],
    [16, 4, at],
  );
  const all = [...parts, ...directory, end];
  const archive = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const part of all) {
    archive.set(part, to);
    to += part.length;
  }
  return archive;
}
