// Cached values that the base run holds too: tensors like any other, whenever they are read.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type ActivationCache,
  ConfigError,
  memoryUsage,
  setMemoryLimit,
  Tensor,
} from "../../mod.ts";
import { assertSameBits, tinyModel } from "./_models.ts";

/** Texts of so many tokens that values are copied late. */
const TOKENS = Array.from(
  { length: 20 },
  (_, text) => [1, 2, 3, 4, 5, 6].map((i) => (i * text) % 10),
);

type Model = ReturnType<typeof tinyModel>;

/** What happens between a run and the reading of its cache. */
const MEANWHILE: Record<string, (model: Model) => void> = {
  nothing: () => {},
  "another text": (model) => void model.forward([[3, 1, 2]]),
  "hooks and another cache": (model) => {
    using _hooks = model.hooks({
      fwdHooks: [["blocks.0.hook_resid_pre", (act) => act.set([":", 2], 0)]],
    });
    model.runWithCache(TOKENS);
  },
  "the base run dropped": (model) => model.keepBase = false,
  "the model disposed": (model) => model[Symbol.dispose](),
};

function assertAlike(cache: ActivationCache, expected: ActivationCache, where: string) {
  assertEquals([...cache.keys()], [...expected.keys()]);
  for (const [name, value] of cache) assertSameBits(value, expected.get(name), `${where}: ${name}`);
}

function cached(model: Model, keepBase: boolean): ActivationCache {
  model.keepBase = keepBase;
  return model.runWithCache(TOKENS)[1];
}

for (const [what, happen] of Object.entries(MEANWHILE)) {
  Deno.test(`a cache has the values of its run, read after ${what}`, () => {
    using model = tinyModel({});
    const expected = cached(model, false);
    const [first, again] = [cached(model, true), cached(model, true)];
    assertEquals(model.ran.stages, []);
    happen(model);
    assertAlike(first, expected, "first");
    assertAlike(again, expected, "again");
    model.keepBase = false;
    assertEquals(memoryUsage().baseBytes, 0);
  });
}

Deno.test("a cached value that is edited leaves the base run and other caches as they are", () => {
  using model = tinyModel({});
  const name = "blocks.1.attn.hook_pattern";
  const expected = cached(model, false).get(name);
  const [first, again] = [cached(model, true).get(name), cached(model, true).get(name)];
  first.set([0], 0.5);
  assertSameBits(again, expected, "the other cache");
  assertSameBits(cached(model, true).get(name), expected, "a cache made later");
  assert(first.at(0).eq(0.5).all().item());
  assertSameBits(first.at("1:"), expected.at("1:"), "what wasn't edited");
});

Deno.test("a cached value is read in every way like one of one's own", () => {
  using model = tinyModel({});
  const names = ["blocks.0.mlp.hook_pre", "blocks.1.attn.hook_attn_scores", "blocks.1.attn.hook_k"];
  for (const point of names) {
    const plain = cached(model, false).get(point);
    const own = Tensor.from(plain.data(), plain.shape);
    const read: ((tensor: Tensor) => Tensor)[] = [
      (t) => t.at(":", 1),
      (t) => t.at("...", [0, 1]),
      (t) => t.sum(-1),
      (t) => t.detach(),
      (t) => t.clone().transpose(0, 1),
      (t) => Tensor.from(t.data(), t.shape).add(t),
      (t) => Tensor.from(t.toArray()),
    ];
    for (const one of read) assertSameBits(one(cached(model, true).get(point)), one(own), point);
  }
});

Deno.test("a model whose caches and logits nobody has read goes where there is no memory to spare", () => {
  const model = tinyModel({});
  const expected = cached(model, false);
  const cache = cached(model, true);
  const rows = model.forward(TOKENS).at(":", "1:");
  setMemoryLimit(1);
  try {
    model[Symbol.dispose]();
  } finally {
    setMemoryLimit(Infinity);
  }
  assertEquals(memoryUsage().liveBytes, 0);
  assertAlike(cache, expected, "without memory");
  assertThrows(() => rows.data(), ConfigError, "the model was disposed before they were read");
});
