import { assert, assertEquals } from "@std/assert";
import { ACTIVATIONS, random, runBoth, SIZES, twins } from "./_twins.ts";

/** Values over the whole range: all magnitudes, both signs, the special ones. */
function everything(): Float32Array {
  const values = [0, -0, NaN, Infinity, -Infinity, 3.4e38, -3.4e38, 1e-45, -1e-45];
  for (let e = -149; e < 128; e++) {
    for (let m = 0; m < 16; m++) values.push(2 ** e * (1 + m / 16), -(2 ** e) * (1 + m / 16));
  }
  for (let i = -110_000; i <= 110_000; i++) values.push(i / 1000);
  return Float32Array.from(values);
}

const EVERYTHING = everything();

ACTIVATIONS.forEach((name, act) => {
  Deno.test(`activate(${name}) and its gradient in SIMD have their twins' bits`, () => {
    const dy = random(1, EVERYTHING.length);
    const n = EVERYTHING.length;
    runBoth(name, [n], (simd, [out]) => twins.activate(simd, act, EVERYTHING, out));
    runBoth(name, [n], (simd, [out]) => twins.activate_grad(simd, act, EVERYTHING, dy, out));
    for (const size of SIZES) {
      const x = random(size, size).map((value) => value * 4);
      runBoth(`${name} of ${size}`, [size], (simd, [out]) => twins.activate(simd, act, x, out));
      runBoth(
        `${name}' of ${size}`,
        [size],
        (simd, [out]) => twins.activate_grad(simd, act, x, dy.subarray(0, size), out),
      );
    }
  });
});

/** Units in the last place of float32 at `value`, the smallest subnormal at least. */
function ulp(value: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(value))), -126) - 23);
}

/** A bound that holds where multiply-add rounds once; with two roundings errors may double. */
const ROUNDINGS = twins.fused_multiply_add() ? 1 : 2;

interface Errors {
  /** The largest error divided by the magnitude of the true value, or by 1 where that is less. */
  scaled: number;
  /** The largest error in units in the last place. */
  ulps: number;
}

/** The worst errors of a float32 activation (or its slope) against float64, over the values within `limit`. */
function errors(act: number, grad: boolean, limit: number): Errors {
  const x = EVERYTHING.filter((value) => Math.abs(value) <= limit);
  const [got, wanted] = [new Float32Array(x.length), new Float64Array(x.length)];
  if (grad) twins.activate_grad(true, act, x, new Float32Array(x.length).fill(1), got);
  else twins.activate(true, act, x, got);
  twins.activate_exact(act, grad, Float64Array.from(x), wanted);
  const worst = { scaled: 0, ulps: 0 };
  x.forEach((value, i) => {
    if (Math.fround(wanted[i]) === wanted[i] && got[i] === wanted[i]) return;
    if (!Number.isFinite(Math.fround(wanted[i]))) {
      assertEquals(got[i], Math.fround(wanted[i]), `${ACTIVATIONS[act]}(${value})`);
      return;
    }
    const error = Math.abs(got[i] - wanted[i]);
    worst.scaled = Math.max(worst.scaled, error / Math.max(1, Math.abs(wanted[i])));
    worst.ulps = Math.max(worst.ulps, error / ulp(wanted[i]));
  });
  return worst;
}

// Measured, then rounded up; the table in `elementary.rs` says the same. A function that passes through zero, or whose
// argument is a rounded square, has no bound in ulps over the whole range.
const ACCURACY: [name: string, scaled: number, ulps: number, limit: number][] = [
  ["identity", 0, 0, Infinity],
  ["relu", 0, 0, Infinity],
  ["gelu_new", 1.3e-7, 14, 4],
  ["gelu_new", 1.3e-7, 170, 10],
  ["gelu", 1.2e-7, 7, 4],
  ["gelu", 1.2e-7, 64, 3.5e38],
  ["silu", 1.3e-7, 2.5, 87],
  ["tanh", 7e-8, 1.1, Infinity],
  ["sigmoid", 1e-7, 2.5, 87],
  ["exp", 1e-7, 1, Infinity],
];

for (const [name, scaled, ulps, limit] of ACCURACY) {
  Deno.test(`activate(${name}) within ${limit} is off by at most ${ulps} ulp`, () => {
    const worst = errors(ACTIVATIONS.indexOf(name), false, limit);
    assert(worst.scaled <= scaled * ROUNDINGS, `${name}: scaled error ${worst.scaled}`);
    assert(worst.ulps <= ulps * ROUNDINGS, `${name}: ${worst.ulps} ulp`);
  });
}

Deno.test("activate_grad() is off by at most 2e-7 of the slope, or of 1", () => {
  ACTIVATIONS.forEach((name, act) => {
    const { scaled } = errors(act, true, 3.5e38);
    assert(scaled <= 2e-7 * ROUNDINGS, `${name}': scaled error ${scaled}`);
  });
});

Deno.test("activate_exact() is a truth: it agrees with JavaScript's own float64 functions", () => {
  const logistic = (x: number) => 1 / (1 + Math.exp(-x));
  const truth: [string, (x: number) => number][] = [
    ["relu", (x) => Math.max(x, 0)],
    [
      "gelu_new",
      (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    ],
    ["silu", (x) => x * logistic(x)],
    ["tanh", Math.tanh],
    ["sigmoid", logistic],
    ["exp", Math.exp],
  ];
  const x = Float64Array.from({ length: 2001 }, (_, i) => (i - 1000) / 50);
  const out = new Float64Array(x.length);
  for (const [name, f] of truth) {
    twins.activate_exact(ACTIVATIONS.indexOf(name), false, x, out);
    x.forEach((value, i) => {
      // The tanh form of GELU loses its tail to cancellation, so that only its absolute error is small.
      const error = Math.abs(out[i] - f(value)) / Math.max(1, Math.abs(f(value)));
      assert(error < 4e-15, `${name}(${value}): ${out[i]}, ${f(value)}`);
    });
  }
});

Deno.test("activate() and activate_grad() reach the limits, and keep NaN", () => {
  const limits: Record<
    string,
    [atInfinity: number, below: number, slope: number, slopeBelow: number]
  > = {
    identity: [Infinity, -Infinity, 1, 1],
    relu: [Infinity, 0, 1, 0],
    tanh: [1, -1, 0, 0],
    sigmoid: [1, 0, 0, 0],
    exp: [Infinity, 0, Infinity, 0],
  };
  for (const [name, wanted] of Object.entries(limits)) {
    const act = ACTIVATIONS.indexOf(name);
    const [value, slope] = [new Float32Array(3), new Float32Array(3)];
    const x = Float32Array.of(Infinity, -Infinity, NaN);
    twins.activate(true, act, x, value);
    twins.activate_grad(true, act, x, new Float32Array(3).fill(1), slope);
    assertEquals([...value, ...slope.subarray(0, 2)], [
      wanted[0],
      wanted[1],
      NaN,
      wanted[2],
      wanted[3],
    ]);
  }
  for (const name of ["gelu_new", "gelu", "silu", "tanh", "sigmoid", "exp"]) {
    const [act, slope] = [ACTIVATIONS.indexOf(name), new Float32Array(3)];
    twins.activate_grad(
      true,
      act,
      Float32Array.of(NaN, 1e30, -1e30),
      new Float32Array(3).fill(1),
      slope,
    );
    assertEquals(Array.from(slope, Number.isNaN), [true, false, false], name);
  }
});
