import { assert, assertEquals } from "@std/assert";
import { FactoredMatrix, ShapeError, Tensor } from "../../mod.ts";
import { normFactor } from "../../src/core/factored_matrix.ts";
import { assertError } from "./_tensors.ts";

const random = (shape: number[], seed: number) => Tensor.randn(shape, { seed });
const factored = (lead: number[], [l, m, r]: number[], seed = 1) =>
  new FactoredMatrix(random([...lead, l, m], seed), random([...lead, m, r], seed + 1));

/** Sums of a few dozen products of numbers near one, in float32. */
const NEAR = { atol: 1e-5, rtol: 1e-5 };

function assertNear(got: Tensor | FactoredMatrix, want: Tensor, what = ""): void {
  const value = got instanceof FactoredMatrix ? got.AB : got;
  assertEquals([...value.shape], [...want.shape], what);
  assert(value.allClose(want, NEAR), what);
}

Deno.test("FactoredMatrix knows its shape and broadcasts what stands in front", () => {
  const m = new FactoredMatrix(random([3, 1, 5, 2], 1), random([4, 2, 6], 2));
  assertEquals(m.shape, [3, 4, 5, 6]);
  assertEquals([m.ldim, m.mdim, m.rdim, m.rank, m.ndim], [5, 2, 6, 4, 4]);
  assertEquals(m.pair.map(({ shape }) => [...shape]), [[3, 4, 5, 2], [3, 4, 2, 6]]);
  assertNear(m, m.A.matmul(m.B));
  assertNear(m.T, m.AB.transpose(-2, -1));
  assertEquals(`${m}`, "FactoredMatrix([3, 4, 5, 6], hidden 2)");
  assertEquals(m.unsqueeze(0).shape, [1, 3, 4, 5, 6]);
  assertNear(m.mul(-2), m.AB.mul(-2));
});

for (const sizes of [[7, 2, 6], [3, 5, 4]]) {
  Deno.test(`FactoredMatrix multiplies from both sides, ${sizes}`, () => {
    const m = factored([2], sizes);
    const [l, , r] = sizes;
    const right = random([r, 3], 5);
    const left = random([3, l], 6);
    assertNear(m.matmul(right), m.AB.matmul(right));
    assertNear(m.rmatmul(left), left.matmul(m.AB));
    assertNear(m.matmul(random([r], 7)), m.AB.matmul(random([r], 7)));
    assertNear(m.rmatmul(random([l], 8)), random([l], 8).matmul(m.AB));
    const other = factored([2], [r, 2, 5], 9);
    assertNear(m.matmul(other), m.AB.matmul(other.AB));
    assertEquals(m.matmul(other).mdim <= Math.max(...sizes), true);
  });
}

for (const sizes of [[9, 4, 11], [3, 5, 4], [6, 6, 2], [4, 1, 4]]) {
  Deno.test(`FactoredMatrix.svd() and what follows from it, ${sizes}`, () => {
    const m = factored([2, 3], sizes, 20);
    const [l, mid, r] = sizes;
    const k = Math.min(l, mid, r);
    const [U, S, V] = m.svd();
    assertEquals([U, S, V].map(({ shape }) => [...shape]), [[2, 3, l, k], [2, 3, k], [2, 3, r, k]]);
    assertNear(U.mul(S.unsqueeze(-2)).matmul(V.transpose(-2, -1)), m.AB);
    const identity = Tensor.from(
      Array.from({ length: k }, (_, i) => Array.from({ length: k }, (_, j) => Number(i === j))),
    ).expand([2, 3, k, k]);
    assertNear(U.transpose(-2, -1).matmul(U), identity, "U");
    assertNear(V.transpose(-2, -1).matmul(V), identity, "V");
    assertEquals(S.sort(-1, { descending: true })[0].toArray(), S.toArray());
    assert(m.svd() === m.svd() && m.U === U);
    assertNear(m.norm(), m.AB.norm([-2, -1]));
    assertNear(m.norm(), S.norm(-1));
    const even = m.makeEven();
    assertNear(even, m.AB);
    assertNear(even.A.norm(-2), even.B.norm(-1));
    assertNear(U.matmul(m.collapseL()), m.AB);
    assertNear(m.collapseR().matmul(V.transpose(-2, -1)), m.AB);
    const x = random([r, 4], 3);
    const y = random([4, l], 4);
    assertNear(normFactor(m, "left").matmul(x).norm([-2, -1]), m.AB.matmul(x).norm([-2, -1]));
    assertNear(y.matmul(normFactor(m, "right")).norm([-2, -1]), y.matmul(m.AB).norm([-2, -1]));
  });
}

Deno.test("FactoredMatrix.norm() and its factors bear dependent columns and zeros", () => {
  const a = random([8, 2], 1);
  const A = Tensor.cat([a, a.mul(2), Tensor.zeros([8, 1])], 1);
  const m = new FactoredMatrix(A, random([5, 6], 2));
  assertNear(m.norm(), m.AB.norm());
  assertNear(normFactor(m, "left").norm(), m.AB.norm());
  const zero = new FactoredMatrix(Tensor.zeros([3, 2]), Tensor.zeros([2, 3]));
  assertEquals([zero.norm().item(), normFactor(zero, "right").norm().item()], [0, 0]);
  assertEquals(zero.S.toArray(), [0, 0]);
});

Deno.test("FactoredMatrix.eigenvalues are those of the product that aren't zero", () => {
  const m = factored([3], [6, 2, 6], 40);
  const { re, im } = m.eigenvalues;
  assertEquals([[...re.shape], [...im.shape]], [[3, 2], [3, 2]]);
  const trace = Tensor.from(
    [0, 1, 2].map((i) =>
      Array.from(m.at(i).AB.data()).reduce((sum, x, at) => at % 7 === 0 ? sum + x : sum, 0)
    ),
  );
  assertNear(re.sum(-1), trace);
  assertNear(im.sum(-1), Tensor.zeros([3]));
  assertNear(m.BA, m.B.matmul(m.A));
});

Deno.test("FactoredMatrix.at() reads in front, then rows, then columns, and keeps the matrix a matrix", () => {
  const m = factored([2, 3], [4, 2, 5], 60);
  assertNear(m.at(1), m.AB.at(1));
  assertNear(m.at(":", [0, 2]), m.AB.at(":", [0, 2]));
  assertNear(m.at(1, 2, "1:3"), m.AB.at(1, 2, "1:3"));
  assertNear(m.at(1, 2, -1), m.AB.at(1, 2, [3]));
  assertNear(m.at(1, 2, [3, 0], [4, 1]), m.AB.at(1, 2, [3, 0]).at(":", [4, 1]));
  assertNear(m.at("...", "1:3", ":"), m.AB.at("...", "1:3", ":"));
  assertNear(m.at(1, "...", 2), m.AB.at(1, "...", [2]));
  assertNear(m.at(1, "..."), m.AB.at(1));
  assertNear(m.at(1, 2, 3, 4), m.AB.at(1, 2, [3], ":").at(":", [4]));
  assertEquals(m.getCorner(2).shape, [2, 2, 2, 2]);
  assertNear(m.getCorner(2), m.AB.at(":2", ":2", ":2", ":2"));
});

Deno.test("FactoredMatrix refuses what doesn't fit", () => {
  const m = factored([], [4, 2, 5]);
  const refuses = (body: () => unknown, message: string) => assertError(body, ShapeError, message);
  refuses(
    () => new FactoredMatrix(random([4, 2], 1), random([3, 5], 1)),
    "Cannot multiply factors of shapes [4, 2] and [3, 5]: expected [..., ldim, mdim] and [..., mdim, rdim].",
  );
  refuses(
    () => new FactoredMatrix(random([2, 4, 2], 1), random([3, 2, 5], 1)),
    "Cannot multiply factors of shapes [2, 4, 2] and [3, 2, 5]: expected [..., ldim, mdim] and [..., mdim, rdim].",
  );
  refuses(
    () => m.matmul(random([4, 4], 1)),
    "Cannot multiply matrices of shapes [4, 5] and [4, 4]: their inner dimensions differ.",
  );
  refuses(
    () => m.rmatmul(random([5], 1)),
    "Cannot multiply matrices of shapes [5] and [4, 5]: their inner dimensions differ.",
  );
  refuses(
    () => m.BA,
    "Cannot take BA of a factored matrix of shape [4, 5]: expected a square one.",
  );
  refuses(
    () => m.eigenvalues,
    "Cannot take eigenvalues of a factored matrix of shape [4, 5]: expected a square one.",
  );
  refuses(
    () => m.mul(random([2], 1)),
    "Cannot scale a factored matrix by Tensor(float32[2]): expected a number. For the matrix product, use matmul().",
  );
  refuses(
    () => m.at(0, 0, 0),
    "Cannot index a factored matrix of shape [4, 5] with 3 parts: it has 2 axes.",
  );
});
