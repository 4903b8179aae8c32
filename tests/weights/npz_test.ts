import { assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import { openNpz } from "../../src/weights/npz.ts";
import { assertUnreadable, FILES, NUMBERS, readAll } from "./_arrays.ts";
import { inMemory } from "./_files.ts";

for (const name of ["arrays.npz", "compressed.npz"]) {
  Deno.test(`openNpz() reads every number format and order of axes of ${name}`, async () => {
    assertEquals(await readAll(await openNpz(FILES, name)), {
      ...NUMBERS,
      fortran: NUMBERS.plain,
      cube: { dtype: "float32", shape: [2, 3, 4], data: Array.from({ length: 24 }, (_, i) => i) },
    });
  });
}

const DTYPES = "<f8, <f4, <f2, <i8, <i4, <i2, |i1, |u1, |b1";

Deno.test("openNpz() refuses arrays that aren't numbers in little-endian order, and says so", async () => {
  const refused: readonly [string, string][] = [
    ["big_endian.npz", `its array "big" has dtype ">f4", wanted one of ${DTYPES}`],
    ["text.npz", `its array "text" has dtype "<U2", wanted one of ${DTYPES}`],
    ["records.npz", 'its array "records" is an array of records, wanted numbers'],
    ["objects.npz", `its array "objects" has dtype "|O", wanted one of ${DTYPES}`],
  ];
  for (const [name, reason] of refused) {
    await assertUnreadable(() => openNpz(FILES, name), `Cannot read "${name}": ${reason}`);
  }
});

/** The file with bytes changed at places found by a pattern. */
async function changed(find: readonly number[], offset: number, bytes: readonly number[]) {
  const file = await FILES.read("arrays.npz");
  const at = file.findIndex((_, i) => find.every((byte, j) => file[i + j] === byte));
  file.set(bytes, at + offset);
  return inMemory(file, "x.npz");
}

const ENTRY = [0x50, 0x4b, 0x01, 0x02];

Deno.test("openNpz() checks the archive's directory against the file", async () => {
  const whole = await FILES.read("arrays.npz");
  await assertUnreadable(
    () => openNpz(inMemory(whole.slice(0, -1), "x.npz"), "x.npz"),
    'Cannot read "x.npz": it isn\'t a zip archive, or it is cut off: there is no record at its end',
  );
  await assertUnreadable(
    async () => openNpz(await changed(ENTRY, 20, [1, 0, 0, 0]), "x.npz"),
    'Cannot read "x.npz": its member "plain.npy" claims 224 bytes in 1 stored ones',
  );
  await assertUnreadable(
    async () => openNpz(await changed(ENTRY, 20, [0, 0, 0, 0x70]), "x.npz"),
    `Cannot read "x.npz": its member "plain.npy" claims ${0x70000000} of the file's ${whole.length} bytes`,
  );
  await assertUnreadable(
    async () => openNpz(await changed(ENTRY, 8, [1]), "x.npz"),
    'Cannot read "x.npz": its member "plain.npy" is encrypted',
  );
  await assertUnreadable(
    async () => openNpz(await changed(ENTRY, 10, [12]), "x.npz"),
    'Cannot read "x.npz": its member "plain.npy" is compressed by method 12, wanted 0 (stored) or 8 (deflated)',
  );
  await assertUnreadable(
    async () => openNpz(await changed(ENTRY, 42, [7]), "x.npz"),
    'Cannot read "x.npz": there is no header of its member "plain.npy" at byte 7',
  );
});

Deno.test("openNpz() checks each array's header against its size", async () => {
  const shape = new TextEncoder().encode("(4, 6)");
  await assertUnreadable(
    async () => openNpz(await changed([...shape], 1, [0x35]), "x.npz"),
    'Cannot read "x.npz": its array "plain" has 96 bytes of elements, but F32 [5,6] needs 120',
  );
});

Deno.test("An npz file names the arrays that are near a name it hasn't", async () => {
  const file = await openNpz(FILES, "arrays.npz");
  const error = await assertRejects(() => file.read("plane"), WeightFileError);
  assertEquals(
    error.message,
    'Cannot read "plane" in "arrays.npz": there is no such tensor; the nearest names are "plain", "cube", "scalar"',
  );
});
