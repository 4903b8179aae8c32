import { assertSameBits, random, runBoth, twins, unwritten } from "./_twins.ts";

const { Geometry } = twins;

interface Sizes {
  batch: number;
  nKeys: number;
  nHeads: number;
  dHead: number;
  /** Heads of keys and values; as many as queries have unless said. */
  nKeyHeads?: number;
  /** Keys that a row sees. */
  window?: number;
  softCap?: number;
  slopes?: number[];
}

function geometry(sizes: Sizes, rows: number[][], mask: number[]) {
  const { batch, nKeys, nHeads, dHead, nKeyHeads = nHeads, window = 0, softCap = 0 } = sizes;
  const pairs = Uint32Array.from(rows.flat());
  const at = new Geometry(pairs, Uint8Array.from(mask), batch, nKeys, nHeads, dHead);
  return at.shaped(nKeyHeads, window, softCap, Float64Array.from(sizes.slopes ?? []));
}

/** Runs attention whole and in its three steps, by SIMD and twin, asserts that all agree, and returns z. */
function attend(
  what: string,
  sizes: Sizes,
  rows: number[][],
  mask: number[],
  [q, k, v]: Float32Array[],
): Float32Array {
  const { nKeys, nHeads, dHead } = sizes;
  const at = geometry(sizes, rows, mask);
  const [zLength, sLength] = [rows.length * nHeads * dHead, rows.length * nHeads * nKeys];
  const [z, scores, pattern] = runBoth(
    what,
    [zLength, sLength, sLength],
    (simd, [z, scores, pattern]) => twins.attend(simd, at, q, k, v, z, scores, pattern),
  );
  const none = new Float32Array();
  const [bare] = runBoth(
    what,
    [zLength],
    (simd, [z]) => twins.attend(simd, at, q, k, v, z, none, none),
  );
  assertSameBits(bare, z, `${what}, nothing observed`);
  const [split] = runBoth(what, [sLength], (simd, [s]) => twins.attend_scores(simd, at, q, k, s));
  assertSameBits(split, scores, `${what}, scores by themselves`);
  const softmax = unwritten(sLength);
  twins.softmax(true, false, scores, nKeys, softmax);
  assertSameBits(softmax, pattern, `${what}, pattern by itself`);
  const [mix] = runBoth(what, [zLength], (simd, [z]) => twins.attend_mix(simd, at, pattern, v, z));
  assertSameBits(mix, z, `${what}, mix by itself`);
  return z;
}

function operands(sizes: Sizes, rows: number): Float32Array[] {
  const { batch, nKeys, nHeads, dHead, nKeyHeads = nHeads } = sizes;
  const keys = batch * nKeys * nKeyHeads * dHead;
  return [random(1, rows * nHeads * dHead).map((x) => x * 4), random(2, keys), random(3, keys)];
}

/** Every position of every batch entry. */
function allRows({ batch, nKeys }: Sizes): number[][] {
  return Array.from(
    { length: batch * nKeys },
    (_, i) => [Math.floor(i / nKeys), i % nKeys],
  );
}

Deno.test("attend() in SIMD has its twin's bits at every small and awkward size, whole and in steps", () => {
  for (const nKeys of [1, 2, 3, 4, 5, 11, 12, 13, 16, 17, 31, 37]) {
    for (const dHead of [1, 2, 3, 4, 5, 8, 12, 13, 16, 20, 37]) {
      const sizes = { batch: 2, nKeys, nHeads: 2, dHead };
      const rows = allRows(sizes);
      attend(`attend ${JSON.stringify(sizes)}`, sizes, rows, [], operands(sizes, rows.length));
    }
  }
});

Deno.test("attend() takes heads deeper than one transposed block", () => {
  const sizes = { batch: 1, nKeys: 19, nHeads: 2, dHead: 300 };
  attend("attend deep", sizes, allRows(sizes), [], operands(sizes, 19));
});

Deno.test("attend() shares keys, keeps to a window, bounds and slants scores as its twin does", () => {
  const variants: Partial<Sizes>[] = [
    { nKeyHeads: 2 },
    { nKeyHeads: 1 },
    { window: 1 },
    { window: 5 },
    { window: 16 },
    { window: 20, nKeyHeads: 2 },
    { softCap: 0.75 },
    { slopes: [1, 0.5, 0.25, 0.125] },
    { nKeyHeads: 2, window: 7, softCap: 2, slopes: [0.7, 0.49, 0.343, 0.2401] },
  ];
  for (const variant of variants) {
    for (const nKeys of [1, 4, 16, 23, 53, 70]) {
      for (const dHead of [3, 8, 21]) {
        const sizes = { batch: 2, nKeys, nHeads: 4, dHead, ...variant };
        const rows = allRows(sizes);
        const what = `attend ${JSON.stringify(sizes)}`;
        attend(what, sizes, rows, [], operands(sizes, rows.length));
        const mask = Array.from({ length: 2 * nKeys }, (_, i) => i % 5 === 1 || i < 3 ? 0 : 1);
        const some = rows.filter((_, i) => i % 3 !== 1);
        attend(`${what}, masked`, sizes, some, mask, operands(sizes, some.length));
      }
    }
  }
});

Deno.test("attend() with a window gives a row the bits of the keys that it sees by themselves", () => {
  const sizes = { batch: 1, nKeys: 45, nHeads: 2, dHead: 12, window: 18 };
  const width = 24;
  const [q, k, v] = operands(sizes, 45);
  const whole = attend("whole", sizes, allRows(sizes), [], [q, k, v]);
  for (const last of [0, 3, 17, 18, 30, 44]) {
    const first = Math.max(0, last - 17);
    const [keys, values] = [k, v].map((x) => x.slice(first * width, (last + 1) * width));
    const near = { ...sizes, nKeys: last + 1 - first, window: 0 };
    const query = q.slice(last * width, (last + 1) * width);
    const alone = attend("near", near, [[0, last - first]], [], [query, keys, values]);
    assertSameBits(alone, whole.subarray(last * width, (last + 1) * width), `row ${last}`);
  }
});

Deno.test("attend() takes rows in any order, masks, and rows that see nothing", () => {
  const sizes = { batch: 3, nKeys: 21, nHeads: 2, dHead: 8 };
  const rows = [[2, 20], [2, 3], [0, 7], [1, 0], [1, 20], [0, 0], [0, 20], [2, 5], [2, 18]];
  // Batch entry 0 begins with three pads, entry 2 has holes.
  const mask = Array.from({ length: 63 }, (_, i) => i < 3 || i === 44 || i === 60 ? 0 : 1);
  const z = attend("attend masked", sizes, rows, mask, operands(sizes, rows.length));
  // Row 5 is a pad that sees no key at all.
  assertSameBits(z.subarray(5 * 16, 6 * 16), new Float32Array(16), "a row that sees nothing");
});

Deno.test("attend() gives a row the same bits alone, in a batch, with later keys and with pads", () => {
  const sizes = { batch: 1, nKeys: 40, nHeads: 3, dHead: 20 };
  const [q, k, v] = operands(sizes, 40);
  const width = 60;
  const whole = attend("whole", sizes, allRows(sizes), [], [q, k, v]);
  for (const last of [0, 1, 15, 16, 30, 39]) {
    const wanted = whole.subarray(last * width, (last + 1) * width);
    const query = q.slice(last * width, (last + 1) * width);
    assertSameBits(attend("alone", sizes, [[0, last]], [], [query, k, v]), wanted, `row ${last}`);
    const prefix = { ...sizes, nKeys: last + 1 };
    const [keys, values] = [k, v].map((x) => x.slice(0, (last + 1) * width));
    const short = attend("prefix", prefix, [[0, last]], [], [query, keys, values]);
    assertSameBits(short, wanted, `row ${last} without later keys`);
    for (const pads of [1, 5, 16]) {
      const padded = { ...sizes, nKeys: last + 1 + pads };
      const left = [keys, values].map((x) => Float32Array.of(...random(9, pads * width), ...x));
      const mask = Array.from({ length: padded.nKeys }, (_, i) => i < pads ? 0 : 1);
      const shifted = attend("padded", padded, [[0, last + pads]], mask, [query, ...left]);
      assertSameBits(shifted, wanted, `row ${last} after ${pads} pads`);
    }
  }
});

Deno.test("attend() takes keys and values from rooms that hold more than are there", () => {
  const sizes = { batch: 2, nKeys: 19, nHeads: 2, dHead: 6 };
  const [entry, room] = [19 * 12, 24 * 12];
  const rows = allRows(sizes);
  const mask = Array.from({ length: 38 }, (_, i) => i === 5 || i === 20 ? 0 : 1);
  const [q, k, v] = operands(sizes, rows.length);
  const roomy = (x: Float32Array) => {
    const out = new Float32Array(2 * room).fill(NaN);
    for (const b of [0, 1]) out.set(x.subarray(b * entry, (b + 1) * entry), b * room);
    return out;
  };
  const compact = attend("compact", sizes, rows, mask, [q, k, v]);
  const spread = attend("in rooms", sizes, rows, mask, [q, roomy(k), roomy(v)]);
  assertSameBits(spread, compact, "in rooms");
});

Deno.test("attend() never reads through a hidden key, not even an infinite one", () => {
  const sizes = { batch: 1, nKeys: 9, nHeads: 2, dHead: 6 };
  const rows = allRows(sizes);
  const [q, k, v] = operands(sizes, rows.length);
  const mask = Array.from({ length: 9 }, (_, i) => i === 4 ? 0 : 1);
  const clean = attend("clean", sizes, rows, mask, [q, k, v]);
  const [spoilt, infinite] = [k.slice().fill(NaN, 48, 60), v.slice().fill(Infinity, 48, 60)];
  spoilt.fill(Infinity, 96);
  infinite.fill(NaN, 96);
  const hidden = attend("spoilt", sizes, rows, mask, [q, spoilt, infinite]);
  // The last key is spoilt too; every row but the last does not see it.
  assertSameBits(hidden.subarray(0, 96), clean.subarray(0, 96), "rows before the last");
});

Deno.test("attend_mix() mixes later keys when an edited pattern reaches them", () => {
  const sizes = { batch: 2, nKeys: 6, nHeads: 2, dHead: 5 };
  const rows = [[0, 0], [0, 3], [1, 2]];
  const at = geometry(sizes, rows, []);
  const [, , v] = operands(sizes, 3);
  const pattern = random(7, 3 * 2 * 6).map((weight, i) => i % 5 === 0 ? 0 : weight);
  const [z] = runBoth("mix", [30], (simd, [z]) => twins.attend_mix(simd, at, pattern, v, z));
  const wanted = z.map((_, i) => {
    const [row, h, d] = [Math.floor(i / 10), Math.floor(i / 5) % 2, i % 5];
    let sum = 0;
    for (let j = 0; j < 6; j++) {
      sum += pattern[(row * 2 + h) * 6 + j] * v[((rows[row][0] * 6 + j) * 2 + h) * 5 + d];
    }
    return sum;
  });
  // Six products below 1, a few roundings.
  z.forEach((value, i) => {
    if (Math.abs(value - wanted[i]) > 1e-6) {
      throw new Error(`z[${i}] is ${value}, wanted ${wanted[i]}`);
    }
  });
});
