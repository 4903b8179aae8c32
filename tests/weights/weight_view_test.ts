import { assert, assertEquals } from "@std/assert";
import { core } from "../../src/core/engine.ts";
import { widenBf16, widenF16 } from "../../src/weights/tensor_data.ts";
import { areTransposes, WeightView } from "../../src/weights/weight_view.ts";

/** 0, 1, … in a shape. */
function counted(shape: readonly number[]): WeightView {
  const size = shape.reduce((product, n) => product * n, 1);
  return WeightView.stored(
    { dtype: "float32", elements: Float32Array.from({ length: size }, (_, i) => i) },
    shape,
  );
}

Deno.test("WeightView.data is the stored tensor itself where nothing has to be moved or widened", () => {
  const elements = Float32Array.of(1, 2, 3, 4, 5, 6);
  const view = WeightView.stored({ dtype: "float32", elements }, [2, 3]);
  assert(view.data === elements && view.reshaped([3, 1, 2]).data === elements);
  assert(view.permuted([1, 0]).data !== elements && view.narrowed(0, 0, 1).data.length === 3);
});

Deno.test("WeightView.permuted(), narrowed() and reshaped() walk the elements as their values would be moved", () => {
  const matrix = counted([3, 8]);
  assertEquals([...counted([2, 3]).permuted([1, 0]).data], [0, 3, 1, 4, 2, 5]);
  assertEquals([...matrix.narrowed(1, 6, 2).data], [6, 7, 14, 15, 22, 23]);
  assertEquals([...matrix.narrowed(0, 1, 1).data], [8, 9, 10, 11, 12, 13, 14, 15]);
  const heads = matrix.narrowed(1, 4, 4).reshaped([3, 2, 2]).permuted([1, 0, 2]);
  assertEquals(heads.shape, [2, 3, 2]);
  assertEquals([...heads.data], [4, 5, 12, 13, 20, 21, 6, 7, 14, 15, 22, 23]);
  // No walk of equal steps: the elements are brought in order first.
  const joined = heads.reshaped([4, 3]);
  assertEquals([joined.shape, [...joined.data]], [[4, 3], [...heads.data]]);
  assertEquals(counted([2, 0]).permuted([1, 0]).data.length, 0);
  assertEquals([...counted([]).reshaped([1, 1]).data], [0]);
});

Deno.test("WeightView.data widens half precision exactly", () => {
  const halves = { dtype: "float16", elements: Uint16Array.of(0x3c00, 0x0001, 0xfbff) } as const;
  assertEquals([...WeightView.stored(halves, [3]).data], [1, 2 ** -24, -65504]);
  const brain = { dtype: "bfloat16", elements: Uint16Array.of(0x3f80, 0x0001, 0xff7f) } as const;
  assertEquals(
    [...WeightView.stored(brain, [3]).data],
    [1, 2 ** -133, -(2 - 2 ** -7) * 2 ** 127],
  );
});

Deno.test("WeightView.data keeps the payloads of half precision's NaNs, in any order of the axes", () => {
  const halves = Uint16Array.of(0x7c01, 0x3c00, 0xfe02, 0x7c00, 0x8001, 0x0000);
  const view = WeightView.stored({ dtype: "float16", elements: halves }, [2, 3]);
  const bitsOf = ({ data }: WeightView) =>
    [...new Uint32Array(data.buffer)].map((bits) => bits.toString(16));
  const wanted = ["7f802000", "3f800000", "ffc04000", "7f800000", "b3800000", "0"];
  assertEquals(bitsOf(view), wanted);
  assertEquals(bitsOf(view.permuted([1, 0])), [0, 3, 1, 4, 2, 5].map((at) => wanted[at]));
});

Deno.test("WeightView.data keeps the bits of float32's NaNs, in any order of the axes", () => {
  const bits = Uint32Array.of(0x7f8681de, 0x3f800000, 0xff800001, 0x7fc00001, 0, 0x80000000);
  const elements = new Float32Array(bits.buffer);
  const view = WeightView.stored({ dtype: "float32", elements }, [2, 3]);
  const bitsOf = ({ data }: WeightView) => [...new Uint32Array(data.buffer)];
  assertEquals(bitsOf(view.narrowed(1, 0, 2)), [0, 1, 3, 4].map((at) => bits[at]));
  assertEquals(bitsOf(view.permuted([1, 0])), [0, 3, 1, 4, 2, 5].map((at) => bits[at]));
});

Deno.test("areTransposes() knows a matrix that is another one's transpose, and no other", () => {
  const [a, b] = [counted([3, 8]), counted([3, 8])];
  assert(areTransposes(a, a.permuted([1, 0])));
  assert(!areTransposes(a, a) && !areTransposes(a, b.permuted([1, 0])));
  assert(!areTransposes(a, a.permuted([1, 0]).narrowed(0, 0, 7)));
});

Deno.test("WeightView.data has the same bits whether the core widens or not", () => {
  // Every pattern of 16 bits, and more elements than the core takes at once.
  const few = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
  const many = Uint16Array.from({ length: 2 ** 18 + 64 }, (_, i) => i);
  core();
  for (const dtype of ["float16", "bfloat16"] as const) {
    for (const elements of [few, many]) {
      const stored = WeightView.stored({ dtype, elements }, [elements.length / 64, 64]);
      const heads = stored.narrowed(1, 8, 32).reshaped([elements.length / 64, 2, 16]);
      const rows = Array.from({ length: elements.length / 64 }, (_, row) => row);
      const orders: [WeightView, Uint16Array][] = [
        [stored, elements],
        [
          stored.permuted([1, 0]),
          Uint16Array.from(
            { length: elements.length },
            (_, i) => elements[i % rows.length * 64 + Math.floor(i / rows.length)],
          ),
        ],
        [
          heads.permuted([1, 0, 2]),
          Uint16Array.from(
            [0, 16].flatMap((head) =>
              rows.flatMap((
                row,
              ) => [...elements.subarray(row * 64 + 8 + head, row * 64 + 24 + head)])
            ),
          ),
        ],
      ];
      const widen = dtype === "float16" ? widenF16 : widenBf16;
      for (const [view, bits] of orders) {
        const { buffer } = view.data;
        assertEquals(new Uint32Array(buffer), new Uint32Array(widen(bits).buffer));
      }
    }
  }
});
