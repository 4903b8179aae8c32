/**
 * Matrices that are products of two thin ones.
 *
 * @module
 */

import { eigenvalues } from "./eigenvalues.ts";
import { described, ShapeError } from "./errors.ts";
import { sizeOf } from "./scope.ts";
import { type Columns, gramRoot, productSvd } from "./svd.ts";
import { elementsOf, type Index, ownedTensor, Tensor } from "./tensor.ts";
import { dot } from "./vectors.ts";

/** Complex numbers: real and imaginary parts. */
export interface ComplexTensor {
  /** The real parts. */
  readonly re: Tensor;
  /** The imaginary parts. */
  readonly im: Tensor;
}

/**
 * A factor of a matrix that stands for it in norms of products: for `"left"` a tensor L [..., mdim, rdim] with |L X| = |matrix X|, for
 * `"right"` a tensor R [..., ldim, mdim] with |X R| = |X matrix|, for every X. Cheaper than singular values.
 */
export let normFactor: (matrix: FactoredMatrix, side: "left" | "right") => Tensor;

function leadingShape(A: Tensor, B: Tensor): number[] | undefined {
  const [a, b] = [A, B].map(({ shape }) => shape.slice(0, -2));
  const rank = Math.max(a.length, b.length);
  const [x, y] = [a, b].map((lead) => [...Array<number>(rank - lead.length).fill(1), ...lead]);
  if (x.some((n, axis) => n !== y[axis] && n !== 1 && y[axis] !== 1)) return undefined;
  return x.map((n, axis) => (n === 1 ? y[axis] : n));
}

function expanded(factor: Tensor, shape: readonly number[]): Tensor {
  return factor.shape.join() === shape.join() ? factor : factor.expand(shape);
}

function requireOperand(other: Tensor): Tensor {
  if (other instanceof Tensor && other.rank > 0) return other;
  throw new ShapeError(
    `Cannot multiply a factored matrix by ${
      other instanceof Tensor ? other : described(other)
    }: expected a vector or a matrix.`,
  );
}

function productError(left: readonly number[], right: readonly number[]): ShapeError {
  return new ShapeError(
    `Cannot multiply matrices of shapes [${left.join(", ")}] and [${
      right.join(", ")
    }]: their inner dimensions differ.`,
  );
}

/**
 * The matrix A B, held as its factors: A [..., ldim, mdim] and B [..., mdim, rdim], with `mdim` small (TransformerLens
 * `FactoredMatrix`). Products, norms, eigenvalues and singular values cost what the thin factors cost.
 *
 * @example
 * ```ts
 * import { FactoredMatrix, Tensor } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const m = new FactoredMatrix(Tensor.randn([50, 2], { seed: 1 }), Tensor.randn([2, 40], { seed: 2 }));
 * assertEquals([m.shape, m.S.shape], [[50, 40], [2]]);
 * assertEquals(m.T.matmul(m).shape, [40, 40]);
 * ```
 */
export class FactoredMatrix {
  /** The left factor [..., ldim, mdim]. */
  readonly A: Tensor;
  /** The right factor [..., mdim, rdim]. */
  readonly B: Tensor;
  /** The shape of the product, [..., ldim, rdim]. */
  readonly shape: readonly number[];
  /** Rows of the product. */
  readonly ldim: number;
  /** The dimension that the factors share. */
  readonly mdim: number;
  /** Columns of the product. */
  readonly rdim: number;
  #svd: readonly [U: Tensor, S: Tensor, V: Tensor] | undefined;

  /**
   * Makes the product of two factors; axes in front of the matrices' broadcast.
   *
   * @throws {ShapeError} If the factors don't fit together.
   */
  constructor(A: Tensor, B: Tensor) {
    const [mdim, rdim] = B.shape.slice(-2);
    const lead = leadingShape(A, B);
    if (A.rank < 2 || B.rank < 2 || A.shape[A.rank - 1] !== mdim || lead === undefined) {
      throw new ShapeError(
        `Cannot multiply factors of shapes [${A.shape.join(", ")}] and [${
          B.shape.join(", ")
        }]: expected [..., ldim, mdim] and [..., mdim, rdim].`,
      );
    }
    this.ldim = A.shape[A.rank - 2];
    this.mdim = mdim;
    this.rdim = rdim;
    this.shape = [...lead, this.ldim, rdim];
    this.A = expanded(A, [...lead, this.ldim, mdim]);
    this.B = expanded(B, [...lead, mdim, rdim]);
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** The number of axes, by TransformerLens' name. */
  get ndim(): number {
    return this.rank;
  }

  /** Both factors. */
  get pair(): [A: Tensor, B: Tensor] {
    return [this.A, this.B];
  }

  /** The product itself, [..., ldim, rdim]: as large as it says. */
  get AB(): Tensor {
    return this.A.matmul(this.B);
  }

  /**
   * The product of the factors the other way round, [..., mdim, mdim]. It has the eigenvalues of the matrix that aren't zero.
   *
   * @throws {ShapeError} If the matrix isn't square.
   */
  get BA(): Tensor {
    this.#requireSquare("BA");
    return this.B.matmul(this.A);
  }

  /** The transposed matrix. */
  get T(): FactoredMatrix {
    return new FactoredMatrix(this.B.transpose(-2, -1), this.A.transpose(-2, -1));
  }

  /**
   * The matrix times another: a factored one when that is a matrix, a vector when it is one.
   *
   * @throws {ShapeError} If the dimensions don't fit.
   */
  matmul(other: FactoredMatrix): FactoredMatrix;
  /** The matrix times a matrix or a vector [rdim]. */
  matmul(other: Tensor): FactoredMatrix | Tensor;
  matmul(other: FactoredMatrix | Tensor): FactoredMatrix | Tensor {
    if (other instanceof FactoredMatrix) {
      return (this.matmul(other.A) as FactoredMatrix).matmul(other.B) as FactoredMatrix;
    }
    const isVector = requireOperand(other).rank === 1;
    if (other.shape[isVector ? 0 : other.rank - 2] !== this.rdim) {
      throw productError(this.shape, other.shape);
    }
    if (isVector) return this.A.matmul(this.B.matmul(other.unsqueeze(-1))).squeeze(-1);
    return this.rdim > this.mdim
      ? new FactoredMatrix(this.A, this.B.matmul(other))
      : new FactoredMatrix(this.AB, other);
  }

  /**
   * Another matrix, or a vector [ldim], times this one (Python's `other @ matrix`).
   *
   * @throws {ShapeError} If the dimensions don't fit.
   */
  rmatmul(other: Tensor): FactoredMatrix | Tensor {
    const isVector = requireOperand(other).rank === 1;
    if (other.shape[other.rank - 1] !== this.ldim) throw productError(other.shape, this.shape);
    if (isVector) return other.unsqueeze(-2).matmul(this.A).matmul(this.B).squeeze(-2);
    return this.ldim > this.mdim
      ? new FactoredMatrix(other.matmul(this.A), this.B)
      : new FactoredMatrix(other, this.AB);
  }

  /** The matrix times a number. */
  mul(scalar: number | Tensor): FactoredMatrix {
    if (scalar instanceof Tensor && scalar.size !== 1) {
      throw new ShapeError(
        `Cannot scale a factored matrix by ${scalar}: expected a number. For the matrix product, use matmul().`,
      );
    }
    return new FactoredMatrix(this.A.mul(scalar), this.B);
  }

  /**
   * The singular value decomposition: `U` [..., ldim, k], `S` [..., k] and `V` [..., rdim, k] with matrix = U diag(S) V^T, where k is
   * the least of the three dimensions. Computed in float64 when it is first asked for.
   */
  svd(): readonly [U: Tensor, S: Tensor, V: Tensor] {
    return this.#svd ??= this.#decompose();
  }

  /** Left singular vectors [..., ldim, k]. */
  get U(): Tensor {
    return this.svd()[0];
  }

  /** Singular values [..., k], the largest first. */
  get S(): Tensor {
    return this.svd()[1];
  }

  /** Right singular vectors [..., rdim, k]. */
  get V(): Tensor {
    return this.svd()[2];
  }

  /** The same as {@linkcode FactoredMatrix.V}, by TransformerLens' older name, although it isn't transposed. */
  get Vh(): Tensor {
    return this.V;
  }

  /**
   * The eigenvalues of the matrix, [..., mdim], apart from those that are zero because of its rank.
   *
   * @throws {ShapeError} If the matrix isn't square.
   */
  get eigenvalues(): ComplexTensor {
    this.#requireSquare("eigenvalues");
    const { mdim, ldim } = this;
    const [re, im] = [0, 1].map(() => new Float32Array(sizeOf(this.#lead) * mdim));
    this.#each((a, b, i) => {
      // Entries of B A in float64, as the eigenvalues of matrices far from symmetric feel every rounding.
      const matrix = Array.from(
        { length: mdim },
        (_, row) =>
          Float64Array.from({ length: mdim }, (_, column) => {
            let sum = 0;
            for (let k = 0; k < ldim; k++) sum += b[row][k] * a[column][k];
            return sum;
          }),
      );
      const found = eigenvalues(matrix);
      re.set(found.re, i * mdim);
      im.set(found.im, i * mdim);
    });
    const shape = [...this.#lead, mdim];
    return { re: ownedTensor(re, shape), im: ownedTensor(im, shape) };
  }

  /** The Frobenius norm of the matrix, [...]. */
  norm(): Tensor {
    const norms = new Float32Array(sizeOf(this.#lead));
    this.#each((a, b, i) => {
      // |A B|² = Σ (A^T A)[j, k] (B B^T)[j, k]
      let sum = 0;
      for (let j = 0; j < a.length; j++) {
        for (let k = 0; k <= j; k++) {
          sum += (k < j ? 2 : 1) * dot(a[j], a[k]) * dot(b[j], b[k]);
        }
      }
      norms[i] = Math.sqrt(Math.max(0, sum));
    });
    return ownedTensor(norms, this.#lead);
  }

  /** The same matrix with factors of equal weight: U sqrt(S) and sqrt(S) V^T. */
  makeEven(): FactoredMatrix {
    const [U, S, V] = this.svd();
    const root = S.sqrt();
    return new FactoredMatrix(
      U.mul(root.unsqueeze(-2)),
      root.unsqueeze(-1).mul(V.transpose(-2, -1)),
    );
  }

  /** The matrix without its left orthogonal factor, S V^T [..., k, rdim]: it has the norm of the whole. */
  collapseL(): Tensor {
    return this.S.unsqueeze(-1).mul(this.V.transpose(-2, -1));
  }

  /** The matrix without its right orthogonal factor, U S [..., ldim, k]: it has the norm of the whole. */
  collapseR(): Tensor {
    return this.U.mul(this.S.unsqueeze(-2));
  }

  /** Adds an axis of length 1 in front of the matrices'. */
  unsqueeze(dim: number): FactoredMatrix {
    return new FactoredMatrix(this.A.unsqueeze(dim), this.B.unsqueeze(dim));
  }

  /**
   * Reads matrices, or parts of them: the axes in front, then rows, then columns; a number keeps an axis of the matrix, of length 1.
   *
   * @throws {ShapeError} If there are more parts than axes.
   */
  at(...parts: Index[]): FactoredMatrix {
    const { rank } = this;
    const rest = Array<Index>(Math.max(0, rank + 1 - parts.length)).fill(":");
    const index = parts.flatMap((part) => part === "..." ? rest : [part]);
    if (index.length > rank) {
      throw new ShapeError(
        `Cannot index a factored matrix of shape [${
          this.shape.join(", ")
        }] with ${index.length} parts: it has ${rank} axes.`,
      );
    }
    const lead = index.slice(0, rank - 2);
    const [row = ":", column = ":"] = index.slice(rank - 2).map((part) =>
      typeof part === "number" ? [part] : part
    );
    // Lists together would address cells pairwise, so the axes are taken one after the other.
    const [A, B] = [this.A.at(...lead), this.B.at(...lead)];
    return new FactoredMatrix(A.at("...", row, ":"), B.at("...", column));
  }

  /** The first `k` entries along each axis, [k, ..., k]. */
  getCorner(k = 3): Tensor {
    const lead = this.#lead.map(() => `:${k}`);
    return this.at(...lead, `:${k}`, `:${k}`).AB;
  }

  #normFactor(side: "left" | "right"): Tensor {
    const { mdim } = this;
    const roots = new Float32Array(sizeOf(this.#lead) * mdim * mdim);
    this.#each((a, b, i) => {
      const root = gramRoot(side === "left" ? a : b);
      for (let j = 0; j < mdim; j++) {
        for (let k = 0; k < mdim; k++) {
          // R on the left, R^T on the right.
          roots[(i * mdim + j) * mdim + k] = side === "left" ? root[k][j] : root[j][k];
        }
      }
    });
    const root = ownedTensor(roots, [...this.#lead, mdim, mdim]);
    return side === "left" ? root.matmul(this.B) : this.A.matmul(root);
  }

  /** Describes the matrix by its shape. */
  toString(): string {
    return `FactoredMatrix([${this.shape.join(", ")}], hidden ${this.mdim})`;
  }

  get #lead(): number[] {
    return this.shape.slice(0, -2);
  }

  /** Visits each matrix in float64: the columns of A, and the rows of B. */
  #each(visit: (a: Columns, b: Columns, index: number) => void): void {
    const { ldim, mdim, rdim } = this;
    const left = elementsOf(this.A);
    const right = elementsOf(this.B);
    for (let i = 0; i < sizeOf(this.#lead); i++) {
      const a = Array.from({ length: mdim }, () => new Float64Array(ldim));
      for (let row = 0; row < ldim; row++) {
        const from = (i * ldim + row) * mdim;
        for (let column = 0; column < mdim; column++) a[column][row] = left[from + column];
      }
      const b = Array.from({ length: mdim }, (_, row) => {
        const from = (i * mdim + row) * rdim;
        return Float64Array.from(right.subarray(from, from + rdim));
      });
      visit(a, b, i);
    }
  }

  #decompose(): readonly [Tensor, Tensor, Tensor] {
    const { ldim, mdim, rdim } = this;
    const count = sizeOf(this.#lead);
    const k = Math.min(ldim, mdim, rdim);
    const [U, S, V] = [ldim * k, k, rdim * k].map((size) => new Float32Array(count * size));
    this.#each((a, b, i) => {
      const { u, s, v } = productSvd(a, b);
      S.set(s.subarray(0, k), i * k);
      for (const [out, columns, rows] of [[U, u, ldim], [V, v, rdim]] as const) {
        for (let column = 0; column < k; column++) {
          for (let row = 0; row < rows; row++) {
            out[(i * rows + row) * k + column] = columns[column][row];
          }
        }
      }
    });
    const lead = this.#lead;
    return [
      ownedTensor(U, [...lead, ldim, k]),
      ownedTensor(S, [...lead, k]),
      ownedTensor(V, [...lead, rdim, k]),
    ];
  }

  #requireSquare(what: string): void {
    if (this.ldim === this.rdim) return;
    throw new ShapeError(
      `Cannot take ${what} of a factored matrix of shape [${
        this.shape.join(", ")
      }]: expected a square one.`,
    );
  }

  /** Lets the rest of the library reach what users don't. */
  static {
    normFactor = (matrix, side) => matrix.#normFactor(side);
  }
}
