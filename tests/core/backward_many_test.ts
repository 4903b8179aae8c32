import { assert, assertEquals } from "@std/assert";
import { GradientError, ShapeError, Tensor } from "../../mod.ts";
import { assertError } from "./_tensors.ts";
import { assertSameBits, tinyModel, TOKENS } from "../session/_models.ts";

const Z = "blocks.1.attn.hook_z";
const LAST = "unembed.hook_in";

const perPrompt = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4));

Deno.test("backwardMany() gives each scalar the gradients of a pass of its own", () => {
  using model = tinyModel();
  const separate = [0, 1].map((prompt) => {
    const [logits, cache] = model.runWithCache(TOKENS, { watch: [Z, LAST] });
    perPrompt(logits).at(prompt).backward();
    return cache;
  });
  const [logits, cache] = model.runWithCache(TOKENS, { watch: [Z, LAST] });
  const gradients = model.backwardMany(perPrompt(logits));
  assertEquals(gradients.length, 2);
  for (const [i, own] of gradients.entries()) {
    assertEquals([...own.keys()], [LAST, Z]);
    for (const name of [Z, LAST]) assertSameBits(own.get(name)!, separate[i].get(name).grad!);
  }
  // What is watched has the sum, as after backward() of each.
  const sum = separate[0].get(Z).grad!.add(separate[1].get(Z).grad!);
  assertSameBits(cache.get(Z).grad!, sum);
});

Deno.test("backwardMany() fires hooks for each scalar, and adds to leaves", () => {
  using model = tinyModel();
  const seen: number[] = [];
  using _hooks = model.hooks({
    fwdHooks: [["hook_embed", (act) => act.add(shift)]],
    bwdHooks: [[Z, (gradient) => {
      seen.push(gradient.at(0).abs().sum().item());
      return gradient.mul(0);
    }]],
  });
  const shift = Tensor.zeros([16]);
  shift.requiresGrad = true;
  const logits = model.forward(TOKENS);
  const [first, second] = perPrompt(logits);
  const [a, b] = model.backwardMany([first, second], { retainGraph: true });
  assertEquals(seen.length, 2);
  assert(seen[0] > 0 && seen[1] === 0);
  // A point's gradient is what reached it, whatever its hooks make of that.
  assertEquals(a.get(Z)!.at(0).abs().sum().item(), seen[0]);
  assert(b.get(Z)!.at(1).any().item() !== 0);
  const both = shift.grad!.clone();
  shift.grad = undefined;
  first.backward({ retainGraph: true });
  second.backward();
  assertSameBits(shift.grad!, both);
});

Deno.test("backwardMany() ends the recording, also where scalars come from several runs", () => {
  using model = tinyModel();
  const runs = [TOKENS, [TOKENS[1], TOKENS[0]]].map((tokens) =>
    perPrompt(model.forward(tokens, { watch: Z })).mean()
  );
  const [own, other, both] = model.backwardMany([runs[0], runs[1], runs[0].add(runs[1])]);
  assert(both.get(Z)!.allClose(own.get(Z)!.add(other.get(Z)!), { atol: 1e-6 }));
  const gone =
    "Cannot walk back: the recording that led to this value is gone (backward() ran already, or the tapes were released). Pass { retainGraph: true } to the first backward().";
  assertError(() => model.backwardMany(runs), GradientError, gone);
  assertError(() => runs[1].backward(), GradientError, gone);
});

Deno.test("backwardMany() refuses all when one can't be walked", () => {
  using model = tinyModel();
  const logits = model.forward(TOKENS, { watch: Z });
  const values = perPrompt(logits);
  assertError(
    () => model.backwardMany([values.mean(), values]),
    ShapeError,
    "Cannot start a backward pass from shape [2]: reduce it to a scalar, e.g. with sum().",
  );
  assertError(
    () => model.backwardMany([values.mean(), Tensor.from(1)]),
    GradientError,
    "Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  );
  assertError(
    () => model.backwardMany([values.mean(), 5 as unknown as Tensor]),
    ShapeError,
    "Cannot compute with 5: expected a Tensor.",
  );
  assertEquals(model.backwardMany([]), []);
  assertEquals(model.backwardMany([values.mean()]).length, 1);
});
