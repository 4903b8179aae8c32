import { assertEquals } from "@std/assert";
import { random, twins } from "./_twins.ts";

Deno.test("gemm() runs the SIMD path, and its twin doesn't", () => {
  const size = new twins.Product(2, 3, 4, 3, 4);
  const [a, b, out] = [random(1, 6), random(2, 12), new Float32Array(8)];
  const callsOf = (simd: boolean) => {
    const before = twins.simd_calls();
    twins.gemm(simd, size, a, b, 0, 4, undefined, 0, out);
    return twins.simd_calls() - before;
  };
  assertEquals([callsOf(true), callsOf(false)], [1, 0]);
});

Deno.test("softmax(), norm(), attend() and activate() run the SIMD path", () => {
  const [x, y] = [random(3, 8), () => new Float32Array(8)];
  const at = new twins.Geometry(Uint32Array.of(0, 0), new Uint8Array(), 1, 1, 1, 8);
  const before = twins.simd_calls();
  twins.softmax(true, false, x, 8, y());
  twins.norm(true, x, 8, 1e-5, true, x, x, y(), new Float32Array(1), y());
  twins.attend(true, at, x, x, x, y(), new Float32Array(), new Float32Array());
  twins.activate(true, 2, x, y());
  assertEquals(twins.simd_calls() - before, 4);
});
