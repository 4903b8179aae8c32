// Logits that are read in part: every way of reading rows and tokens gives the bits of the whole, at the cost of what is read.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type HookedSAETransformer, noGrad, Tensor } from "../../mod.ts";
import type { Index } from "../../src/core/tensor.ts";
import { check, fc } from "../properties/_check.ts";
import { assertSameBits, differs, TINY, tinyModel, TOKENS } from "./_models.ts";
import { VARIANTS } from "./_variants.ts";

/** Many tokens, so that few of them are few; the last panel of the unembedding exists in part. */
const D_VOCAB = 700;

const [BATCH, N_POS] = [TOKENS.length, TOKENS[0].length];

const MODELS: readonly (readonly [what: string, make: () => HookedSAETransformer])[] = [
  ["a plain model", () => tinyModel({ dVocab: D_VOCAB })],
  ["a model whose logits are capped", () => {
    const { changes } = VARIANTS["windows, caps and norms everywhere"];
    return tinyModel({ ...changes, dVocab: D_VOCAB });
  }],
];

/** Logits that somebody has read whole already, so that nothing of them is lazy. */
function whole(model: HookedSAETransformer): Tensor {
  const logits = model.forward(TOKENS);
  return Tensor.from(logits.data().slice(), [...logits.shape]);
}

const along = (length: number) => fc.integer({ min: -length, max: length - 1 });
const slices = fc.constantFrom(":", "1:", ":-1", "::2", ":1", "-2:");

/** One part of an index for an axis. */
const part = (length: number): fc.Arbitrary<Index> =>
  fc.oneof(along(length), slices, fc.array(along(length), { minLength: 1, maxLength: 4 }));

/** An index of the logits; lists address cells together, so that they have one length. */
const indices: fc.Arbitrary<Index[]> = fc.oneof(
  fc.tuple(part(BATCH), part(N_POS), part(D_VOCAB)),
  fc.tuple(part(BATCH), part(N_POS)),
  fc.tuple(part(BATCH)),
  fc.tuple(fc.constant("..." as Index), part(D_VOCAB)),
  fc.tuple(part(BATCH), part(N_POS), part(D_VOCAB), fc.constant("..." as Index)),
).filter((parts) => new Set(parts.filter(Array.isArray).map(({ length }) => length)).size <= 1);

/** What is read of logits, and what it is called when it goes wrong. */
const readings: fc.Arbitrary<{ what: string; read: (logits: Tensor) => Tensor }> = fc.oneof(
  indices.map((index) => ({
    what: `at(${JSON.stringify(index)})`,
    read: (logits: Tensor) => logits.at(...index),
  })),
  fc.tuple(fc.integer({ min: 1, max: BATCH }), fc.integer({ min: 1, max: 9 })).chain(([rows, n]) =>
    fc.array(fc.nat(D_VOCAB - 1), { minLength: rows * n, maxLength: rows * n }).map((ids) => ({
      what: `at(":", -1).gather(-1, [${rows}, ${n}])`,
      read: (logits: Tensor) => logits.at(":", -1).gather(-1, Tensor.from(ids, [rows, n], "int32")),
    }))
  ),
  fc.tuple(part(BATCH), part(N_POS), along(D_VOCAB)).map(([text, pos, token]) => ({
    what: `at(${JSON.stringify(text)}, ${JSON.stringify(pos)}).at("...", ${token})`,
    read: (logits: Tensor) => logits.at(text, pos).at("...", token),
  })).filter(({ what }) => !/\[.*\[/.test(what)),
  fc.array(fc.nat(D_VOCAB - 1), { minLength: 1, maxLength: 3 }).map((ids) => ({
    what: `gather(2, …) of ${ids}`,
    read: (logits: Tensor) =>
      logits.gather(2, Tensor.from(ids, [1, 1, ids.length], "int32").expand(BATCH, 3, ids.length)),
  })),
);

for (const [what, make] of MODELS) {
  Deno.test(`${what}: logits read in any part have the bits of the whole`, async () => {
    using model = make();
    const expected = whole(model);
    await check(
      fc.property(
        fc.array(readings, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (all, isKept) => {
          model.keepBase = isKept;
          const logits = model.forward(TOKENS);
          for (const { what, read } of all) assertSameBits(read(logits), read(expected), what);
        },
      ),
    );
  });
}

Deno.test("A hooked run's logits of few tokens have the bits of whole rows, in a sweep too", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  const ids = Tensor.from([[3, 690], [77, 5]], undefined, "int32");
  const answers = (logits: Tensor) => logits.at(":", -1).gather(-1, ids);
  const name = "blocks.0.hook_resid_pre";
  const over = { pos: [1, 4], feature: [0, 3, 9] };
  const swept = model.sweep(TOKENS, { at: name, over, edit: "ablate", metric: answers });
  const plain = answers(model.forward(TOKENS));
  over.pos.forEach((pos, i) =>
    over.feature.forEach((feature, j) => {
      const logits = model.runWithHooks(TOKENS, {
        fwdHooks: [[name, (resid) => resid.set([":", pos, feature], 0)]],
      });
      const few = answers(logits);
      assert(differs(few, plain));
      assertSameBits(few, answers(Tensor.from(logits.data(), [...logits.shape])));
      assertSameBits(swept.at(i, j), few);
    })
  );
});

Deno.test("The gradient of few logits has the bits of the one through whole rows", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  const name = "blocks.0.hook_resid_pre";
  // One token of a text twice, and the same one of both.
  const ids = Tensor.from([[3, 690, 3], [690, 5, 77]], undefined, "int32");
  const weights = Tensor.randn([BATCH, 3], { seed: 5 });
  const gradientOf = (metric: (logits: Tensor) => Tensor) => {
    const [logits, cache] = model.runWithCache(TOKENS, { namesFilter: name, watch: name });
    const value = metric(logits);
    value.backward();
    const { grad } = cache.get(name);
    assert(grad);
    return { value, grad, multiplyAdds: model.ran.multiplyAdds };
  };
  const metrics: ((logits: Tensor) => Tensor)[] = [
    (logits) => logits.at(":", -1).gather(-1, ids).mul(weights).sum(),
    (logits) => logits.at(0, 2, 5).sub(logits.at(1, -1, 650)),
    (logits) => logits.at(":", "1:").at("...", 12).sum(),
    (logits) => logits.at(":", 3, [7, 600]).softmax(-1).at("...", 0).sum(),
  ];
  metrics.forEach((metric, i) => {
    const few = gradientOf(metric);
    const whole = gradientOf((logits) => metric(logits.mul(1)));
    assertSameBits(few.value, whole.value, `metric ${i}`);
    assertSameBits(few.grad, whole.grad, `the gradient of metric ${i}`);
    assert(few.multiplyAdds < whole.multiplyAdds);
  });
});

Deno.test("Reading a token costs its column, reading a row all of them", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  // Somebody looks at all rows of what the unembedding reads: nothing else is left to compute.
  const logits = model.runWithHooks(TOKENS, { fwdHooks: [["unembed.hook_in", () => {}]] });
  const { ran } = model;
  const cost = (read: () => unknown) => {
    const before = ran.multiplyAdds;
    read();
    return (ran.multiplyAdds - before) / (TINY.dModel ?? 0);
  };
  assertEquals(cost(() => logits.at(":", -1)), 0);
  assertEquals(cost(() => logits.at(":", -1).gather(-1, [[1, 2], [3, 4]])), 4);
  assertEquals(cost(() => logits.at(0, -1, 650).item()), 1);
  assertEquals(cost(() => logits.at(0, -1).data()), D_VOCAB);
  // The row is known now.
  assertEquals(cost(() => logits.at(0, -1, 3).item()), 0);
  assertEquals(cost(() => logits.at(1, -1, "::2").data()), D_VOCAB);
});

Deno.test("What was taken out of logits outlives the model", () => {
  const model = tinyModel({ dVocab: D_VOCAB });
  const expected = whole(model);
  const taken = Array.from({ length: N_POS }, (_, pos) => model.forward(TOKENS).at(":", pos));
  const replaced = model.forward(TOKENS).at(0, 2);
  const doubled = [...model.stateDict()].map(([name, value]) => {
    const { shape } = value;
    return [name, { shape, data: value.mul(2).data() as Float32Array }] as const;
  });
  model.loadAndProcessStateDict(new Map(doubled));
  const logits = model.forward(TOKENS);
  const partly = logits.at(1);
  const [one, row] = [partly.at(-1), partly.at(3)];
  assertEquals(row.at(5).item(), partly.at(3, 5).item());
  model[Symbol.dispose]();
  assertSameBits(row, partly.at(3));
  assertSameBits(one, partly.at(-1));
  taken.forEach((rows, pos) => assertSameBits(rows, expected.at(":", pos)));
  assertSameBits(replaced, expected.at(0, 2));
  assertThrows(() => logits.at(0, -1, 3), Error, "the model was disposed before they were read");
});

Deno.test("An index that doesn't fit logits says so, whether they were read or not", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  const known = whole(model);
  const wrong: ((logits: Tensor) => Tensor)[] = [
    (logits) => logits.at(0, -1, D_VOCAB),
    (logits) => logits.at(0, N_POS),
    (logits) => logits.at(0, 0, 0, 0),
    (logits) => logits.at(":", -1).gather(-1, [[D_VOCAB], [0]]),
    (logits) => logits.at(":", -1).gather(-1, [[-1], [0]]),
    (logits) => logits.at(":", -1).gather(-1, [0, 1]),
    (logits) => logits.at(":", -1).gather(-1, [[0], [1], [2]]),
    (logits) => logits.at([0, 1], [0, 1, 2], 3),
  ];
  for (const read of wrong) {
    const { name, message } = assertThrows(() => read(known), Error);
    const error = assertThrows(() => read(model.forward(TOKENS)).data(), Error);
    assertEquals([error.name, error.message], [name, message]);
  }
});

Deno.test("Reading logits without recording leaves what was taken before on the tape, and takes constants", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  const name = "blocks.0.hook_resid_pre";
  const run = () => {
    const [logits, cache] = model.runWithCache(TOKENS, { namesFilter: name, watch: name });
    return { logits, row: logits.at(0, -1), resid: cache.get(name) };
  };
  const gradientOf = (look: (logits: Tensor, row: Tensor) => void) => {
    const { logits, row, resid } = run();
    look(logits, row);
    row.at(3).add(logits.at(1, -1, 5)).backward();
    return resid.grad;
  };
  const expected = gradientOf(() => {});
  assert(expected);
  const looked = gradientOf((logits, row) => noGrad(() => [logits.data(), row.argmax()]));
  assert(looked);
  assertSameBits(looked, expected);
  const { logits } = run();
  const constants = noGrad(() => [logits.at(0, -1), logits.at(0), logits.at(0, -1, 3)]);
  model.releaseTapes();
  constants.push(constants[0].at(3), constants[1].at(-1), constants[1].at(-1, 3));
  for (const constant of constants) {
    assertThrows(
      () => constant.sum().backward(),
      Error,
      "nothing that led to this value was watched",
    );
  }
});

Deno.test("Gradients of logits, of their rows and of parameters reach them where parts are read", () => {
  using model = tinyModel({ dVocab: D_VOCAB });
  const logits = model.forward(TOKENS);
  for (const leaf of [logits, logits.at(":", -1), model.W_U]) {
    leaf.requiresGrad = true;
    leaf.at(0).at("...", 3).sum().backward();
    assertEquals(leaf.grad?.shape, leaf.shape);
  }
});
