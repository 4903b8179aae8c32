// Invariant 2: a row's bits don't depend on the rows beside it. A batch has the bits of its texts alone, a prefix those of the whole
// text, a left-padded text those of the text without pads.

import { assertSameBits, tinyModel, tinySae } from "../session/_models.ts";
import { VARIANTS } from "../session/_variants.ts";
import { type HookedSAETransformer, Tensor } from "../../mod.ts";
import type { ConfigInput } from "../../src/model/config.ts";

/** Batches and lengths around the widths of the kernels' tiles. */
const SHAPES: readonly [batch: number, nPos: number][] = [[1, 1], [2, 3], [3, 7], [5, 12], [9, 2]];

const SETTINGS: readonly (readonly [
  name: string,
  prepare: (model: HookedSAETransformer) => void,
  changes?: Partial<ConfigInput>,
])[] = [
  ["a plain model", () => {}],
  ["a model with SAEs", (model) => attach(model, false)],
  ["a model with SAEs and error terms", (model) => attach(model, true)],
  ...Object.entries(VARIANTS).map(([kind, { changes }]) =>
    [`a model with ${kind}`, () => {}, changes] as const
  ),
];

function attach(model: HookedSAETransformer, useErrorTerm: boolean): void {
  for (const point of ["blocks.0.attn.hook_z", "blocks.1.hook_resid_pre"]) {
    model.addSae(tinySae(point), { useErrorTerm });
  }
  // Without an edit, an error term would give the value back without computing anything.
  const name = "blocks.1.hook_resid_pre.hook_sae_acts_post";
  model.addHook(name, (codes) => codes.set(["...", 3], 1));
}

/** Token ids that differ from text to text and from position to position. */
function texts(batch: number, nPos: number): number[][] {
  return Array.from(
    { length: batch },
    (_, b) => Array.from({ length: nPos }, (_, p) => (7 * b + 3 * p + b * p) % 20),
  );
}

/** Every value of a run that has a row for each position: those by query and key are compared at the keys that are there. */
function values(
  model: HookedSAETransformer,
  tokens: number[][],
  mask?: number[][],
): Map<string, Tensor> {
  const [logits, cache] = model.runWithCache(tokens, { attentionMask: mask });
  const byKey = /attn_scores|pattern/;
  const rows = [...cache].filter(([name]) => !byKey.test(name))
    .map(([name, value]) => [name, byPosition(name, value, tokens)] as const);
  return new Map([...rows, ["logits", logits]]);
}

/** A value with an axis for texts and one for positions; the norms of heads have one for both and the heads. */
function byPosition(name: string, value: Tensor, tokens: number[][]): Tensor {
  if (!/\.[qk]_norm\./.test(name)) return value;
  const [batch, nPos] = [tokens.length, tokens[0].length];
  return value.reshape([batch, nPos, value.shape[0] / (batch * nPos), value.shape[1]]);
}

for (const [setting, prepare, changes] of SETTINGS) {
  const withModel = (test: (model: HookedSAETransformer) => void) => {
    using model = tinyModel(changes);
    prepare(model);
    model.keepBase = false;
    test(model);
  };

  Deno.test(`a batch in ${setting} has the bits of each text alone`, () =>
    withModel((model) => {
      for (const [batch, nPos] of SHAPES) {
        const tokens = texts(batch, nPos);
        const together = values(model, tokens);
        tokens.forEach((text, b) => {
          for (const [name, alone] of values(model, [text])) {
            assertSameBits(alone, together.get(name)!.at([b]), `${name} of text ${b} of ${batch}`);
          }
        });
      }
    }));

  Deno.test(`a prefix in ${setting} has the bits of the whole text`, () =>
    withModel((model) => {
      const tokens = texts(2, 12);
      const whole = values(model, tokens);
      for (let length = 1; length < 12; length++) {
        const prefix = values(model, tokens.map((text) => text.slice(0, length)));
        for (const [name, value] of prefix) {
          assertSameBits(value, whole.get(name)!.at(":", `:${length}`), `${name} of ${length}`);
        }
      }
    }));

  Deno.test(`left pads in ${setting} leave the bits of the real tokens`, () =>
    withModel((model) => {
      const [text] = texts(1, 7);
      const alone = values(model, [text]);
      for (const pads of [1, 2, 5]) {
        const padded = [...Array<number>(pads).fill(0), ...text];
        const mask = padded.map((_, p) => (p < pads ? 0 : 1));
        for (const [name, value] of values(model, [padded], [mask])) {
          assertSameBits(value.at(":", `${pads}:`), alone.get(name)!, `${name}, ${pads} pads`);
        }
      }
    }));
}

Deno.test("attention in a batch has the bits of each text alone, key by key", () => {
  using model = tinyModel();
  const tokens = texts(3, 7);
  const namesFilter = (name: string) => /attn_scores|pattern/.test(name);
  const [, together] = model.runWithCache(tokens, { namesFilter });
  tokens.forEach((text, b) => {
    const [, alone] = model.runWithCache([text], { namesFilter });
    for (const [name, value] of alone) assertSameBits(value, together.get(name).at([b]), name);
  });
});

Deno.test("logits that are read row by row have the bits of all of them", () => {
  using model = tinyModel();
  const tokens = texts(3, 7);
  const all = model.forward(tokens).clone();
  assertSameBits(model.forward(tokens).at(":", -1), all.at(":", -1), "last");
  assertSameBits(model.forward(tokens).at(1, "2:5", [4, 9]), all.at(1, "2:5", [4, 9]), "some");
  assertSameBits(model.forward(tokens, { logitsAt: [0, -1] }), all.at(":", [0, -1]), "logitsAt");
  const indices = Tensor.from([0, 2, 1]);
  assertSameBits(model.forward(tokens).at(indices, -1), all.at(indices, -1), "texts");
});
