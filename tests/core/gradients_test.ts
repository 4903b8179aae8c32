import { assertEquals } from "@std/assert";
import { GradientError, noGrad, ShapeError, Tensor } from "../../mod.ts";
import { core } from "../../src/core/engine.ts";
import { pendingRuns, recordedRun, releaseTapes } from "../../src/core/gradients.ts";
import { assertError, assertTensor } from "./_tensors.ts";

/** A leaf whose gradient is asked for. */
function leaf(values: number[] | number[][]): Tensor {
  const tensor = Tensor.from(values);
  tensor.requiresGrad = true;
  return tensor;
}

Deno.test("backward() fills grad of the leaves that are watched", () => {
  const [x, y, constant] = [leaf([1, 2, 3]), leaf([4, 5, 6]), Tensor.from([2, 2, 2])];
  x.mul(y).mul(constant).sum().backward();
  assertTensor(x.grad!, [8, 10, 12]);
  assertTensor(y.grad!, [2, 4, 6]);
  assertEquals(constant.grad, undefined);
  assertEquals(core().tape_bytes(), 0);
});

Deno.test("backward() adds up over uses and over passes", () => {
  const x = leaf([1, 2]);
  x.mul(x).add(x).sum().backward();
  assertTensor(x.grad!, [3, 5]);
  x.sum().backward();
  assertTensor(x.grad!, [4, 6]);
});

Deno.test("backward() sums a gradient over the axes that were broadcast", () => {
  const [row, column] = [leaf([1, 2, 3]), leaf([[1], [2]])];
  row.mul(column).sum().backward();
  assertTensor(row.grad!, [3, 3, 3]);
  assertTensor(column.grad!, [[6], [6]]);
});

Deno.test("backward() goes through what is read, written and reduced", () => {
  const x = leaf([[3, 1, 2], [4, 6, 5]]);
  const [values] = x.topk(2);
  values.at(":", 0).sum().add(x.gather(1, [[0], [0]]).sum()).backward();
  assertTensor(x.grad!, [[2, 0, 0], [1, 1, 0]]);

  const [target, source] = [leaf([1, 2, 3]), leaf([10])];
  const edited = target.mul(1);
  edited.set([1], source.at(0));
  edited.mul(Tensor.from([2, 3, 4])).sum().backward();
  assertTensor(target.grad!, [2, 0, 4]);
  assertTensor(source.grad!, [3]);
});

Deno.test("backward() twice needs retainGraph", () => {
  const x = leaf([2]);
  const y = x.mul(x).sum();
  y.backward({ retainGraph: true });
  y.backward();
  assertTensor(x.grad!, [8]);
  assertError(
    () => y.backward(),
    GradientError,
    "Cannot walk back: the recording that led to this value is gone (backward() ran already, or the tapes were released). Pass { retainGraph: true } to the first backward().",
  );
});

Deno.test("backward() starts from a scalar that something watched led to", () => {
  const x = leaf([1, 2]);
  assertError(
    () => x.mul(2).backward(),
    ShapeError,
    "Cannot start a backward pass from shape [2]: reduce it to a scalar, e.g. with sum().",
  );
  assertError(
    () => Tensor.from([1, 2]).sum().backward(),
    GradientError,
    "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  );
  releaseTapes();
});

Deno.test("detach() and noGrad() record nothing", () => {
  const x = leaf([3]);
  x.mul(x.detach()).sum().backward();
  assertTensor(x.grad!, [3]);
  const unrecorded = noGrad(() => x.mul(x).sum());
  assertError(
    () => unrecorded.backward(),
    GradientError,
    "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  );
  assertEquals(core().tape_bytes(), 0);
});

Deno.test("noGrad() records again after an exception", () => {
  const x = leaf([3]);
  try {
    noGrad(() => {
      throw new RangeError("stop");
    });
  } catch (error) {
    assertEquals((error as Error).message, "stop");
  }
  x.mul(x).sum().backward();
  assertTensor(x.grad!, [6]);
});

Deno.test("clone() is recorded, masks and indices are constants", () => {
  const x = leaf([1, -2, 3]);
  x.clone().mul(x.gt(0)).sum().backward();
  assertTensor(x.grad!, [1, 0, 1]);
  const flags = Tensor.from([true]);
  assertError(
    () => {
      flags.requiresGrad = true;
    },
    GradientError,
    "Cannot ask for gradients of a tensor of dtype bool: only float32 has them.",
  );
});

Deno.test("requiresGrad = false ends the watching", () => {
  const x = leaf([1]);
  x.requiresGrad = false;
  assertEquals(x.requiresGrad, false);
  assertError(
    () => x.mul(2).sum().backward(),
    GradientError,
    "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  );
});

Deno.test("releaseTapes() drops what expressions recorded", () => {
  const x = leaf([1, 2]);
  const y = x.mul(x).sum();
  releaseTapes();
  assertEquals(core().tape_bytes(), 0);
  assertError(
    () => y.backward(),
    GradientError,
    "Cannot walk back: the recording that led to this value is gone (backward() ran already, or the tapes were released). Pass { retainGraph: true } to the first backward().",
  );
  x.mul(3).sum().backward();
  assertTensor(x.grad!, [3, 3]);
});

Deno.test("recordedRun() drops a recording whose forward fails", () => {
  const x = leaf([1]);
  try {
    recordedRun("a failing run", () => {
      x.mul(x);
      throw new RangeError("stop");
    });
  } catch (error) {
    assertEquals((error as Error).message, "stop");
  }
  assertEquals([pendingRuns(), core().tape_bytes()], [0, 0]);
});

Deno.test("recordedRun() joins two runs that feed one scalar", () => {
  const x = leaf([2]);
  const square = () => recordedRun("a square", () => x.mul(x).sum());
  square().add(square()).backward();
  assertTensor(x.grad!, [8]);
  assertEquals([pendingRuns(), core().tape_bytes()], [0, 0]);
});

Deno.test("recordedRun() refuses a fifth recording that waits", () => {
  const scalars = Array.from(
    { length: 4 },
    (_, i) => recordedRun(`run ${i}`, () => leaf([i]).mul(2).sum()),
  );
  assertError(
    () => recordedRun("run 4", () => leaf([4]).mul(2).sum()),
    GradientError,
    "Cannot record another run: 4 recorded runs wait for backward(), the oldest is run 0. Call backward() on what they gave, or model.releaseTapes() to drop them.",
  );
  scalars[1].backward();
  assertEquals(pendingRuns(), 3);
  releaseTapes();
  assertEquals([pendingRuns(), core().tape_bytes()], [0, 0]);
});
