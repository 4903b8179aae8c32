// Invariant 1: whoever looks at a point changes no bit of the logits, nor does an edit that gives back what came; every listed point
// fires, and an edit there moves the logits.

import { assert, assertMatch, assertThrows } from "@std/assert";
import { type HookedSAETransformer, Tensor, UnknownPointError } from "../../mod.ts";
import { sharesKeys } from "../../src/model/config.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";
import { type Variant, VARIANTS } from "../session/_variants.ts";

function attach(model: HookedSAETransformer, useErrorTerm: boolean): void {
  const points = ["blocks.0.attn.hook_z", "blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"];
  for (const point of points) model.addSae(tinySae(point), { useErrorTerm });
}

function switchAllOn(model: HookedSAETransformer): void {
  model.setUseAttnResult(true);
  model.setUseSplitQkvInput(true);
  if (!sharesKeys(model.cfg)) model.setUseAttnIn(true);
  if (!model.cfg.attnOnly) model.setUseHookMlpIn(true);
}

/** A model that is looked at. */
interface Setting extends Partial<Variant> {
  readonly name: string;
  readonly prepare: (model: HookedSAETransformer) => void;
}

/** How a model is looked at: alone, with SAEs on it, with their error terms, with its switches on; and every other kind of model. */
const SETTINGS: readonly Setting[] = [
  { name: "a plain model", prepare: () => {} },
  { name: "a model with SAEs", prepare: (model) => attach(model, false) },
  { name: "a model with SAEs and error terms", prepare: (model) => attach(model, true) },
  { name: "a model with all switches on", prepare: switchAllOn },
  ...Object.entries(VARIANTS).flatMap(([kind, variant]) => [
    { ...variant, name: `a model with ${kind}`, prepare: () => {} },
    { ...variant, name: `a model with ${kind}, all switches on`, prepare: switchAllOn },
  ]),
];

/** The points of a run: an SAE's error node is one only with the error term. */
function firingPoints(
  model: HookedSAETransformer,
  hasErrorTerm: boolean,
  never: RegExp | undefined,
): string[] {
  return [...model.hookDict.keys()].filter((name) =>
    (hasErrorTerm || !name.endsWith(".hook_sae_error")) && !never?.test(name)
  );
}

/** Noise of a fixed seed on every element; masked scores stay masked, and a softmax doesn't cancel it. */
const withNoise = (act: Tensor) => act.add(Tensor.randn(act.shape, { seed: 5 }).mul(0.1));

for (const keepBase of [false, true]) {
  for (const { name: setting, prepare, changes, never } of SETTINGS) {
    const where = `${setting}, ${keepBase ? "on a base run" : "in full"}`;
    const hasErrorTerm = setting.endsWith("error terms");

    const setUp = () => {
      const model = tinyModel(changes);
      prepare(model);
      model.keepBase = keepBase;
      return {
        model,
        clean: model.forward(TOKENS).clone(),
        names: firingPoints(model, hasErrorTerm, never),
      };
    };

    Deno.test(`looking at any point of ${where} leaves the logits' bits`, () => {
      const { model, clean, names } = setUp();
      using _model = model;
      for (const name of names) {
        const [cached] = model.runWithCache(TOKENS, { namesFilter: name });
        assertSameBits(cached, clean, `caching ${name}`);
        let seen = 0;
        const look = (act: Tensor) => {
          seen += act.size;
        };
        const observed = model.runWithHooks(TOKENS, { fwdHooks: [[name, look]] });
        assertSameBits(observed, clean, `observing ${name}`);
        assert(seen > 0, `${name} didn't fire`);
        const watched = model.forward(TOKENS, { watch: [name] });
        assertSameBits(watched, clean, `watching ${name}`);
        model.releaseTapes();
      }
      const [all] = model.runWithCache(TOKENS);
      assertSameBits(all, clean, "caching all");
      const watchedAll = model.forward(TOKENS, { watch: [() => true] });
      assertSameBits(watchedAll, clean, "watching all");
      model.releaseTapes();
    });

    Deno.test(`an identity edit at any point of ${where} is a bit-exact no-op`, () => {
      const { model, clean, names } = setUp();
      using _model = model;
      const inPlace = (act: Tensor) => act.set([], act.clone());
      for (const name of names) {
        for (const edit of [(act: Tensor) => act.clone(), inPlace]) {
          const logits = model.runWithHooks(TOKENS, { fwdHooks: [[name, edit]] });
          assertSameBits(logits, clean, name);
        }
        const watched = model.runWithHooks(TOKENS, {
          fwdHooks: [[name, (act) => act.clone()]],
          watch: [name],
        });
        assertSameBits(watched, clean, `${name}, watched`);
        model.releaseTapes();
      }
    });

    Deno.test(`an edit at any point of ${where} moves the logits`, () => {
      const { model, clean, names } = setUp();
      using _model = model;
      for (const name of names) {
        const logits = model.runWithHooks(TOKENS, { fwdHooks: [[name, withNoise]] });
        assert(differs(logits, clean), name);
      }
    });

    Deno.test(`every point of ${where} gives its value to cache and hook alike`, () => {
      const { model, names } = setUp();
      using _model = model;
      for (const name of names) {
        const values: Tensor[] = [];
        const keep = (act: Tensor) => {
          values.push(act.clone());
        };
        const [, cache] = model.runWithCache(TOKENS, { namesFilter: name });
        model.runWithHooks(TOKENS, { fwdHooks: [[name, keep]] });
        // With the split switch the norm fires for queries, keys and values in turn; the cache keeps the last.
        assertSameBits(values[values.length - 1], cache.get(name), name);
      }
    });
  }
}

Deno.test("a point that never fires says why", () => {
  for (const { changes, never } of Object.values(VARIANTS)) {
    using model = tinyModel(changes);
    const silent = [...model.hookDict.keys()].filter((name) => never?.test(name));
    assert(never === undefined || silent.length > 0);
    for (const name of silent) {
      const run = () => model.runWithHooks(TOKENS, { fwdHooks: [[name, () => {}]] });
      assertMatch(assertThrows(run, UnknownPointError).message, /" can never fire: \w/);
    }
  }
});

Deno.test("looking at the split inputs leaves the bits of a run that edits their common one", () => {
  using model = tinyModel();
  switchAllOn(model);
  const edit = { fwdHooks: [["blocks.1.hook_attn_in", withNoise]] } as const;
  const edited = model.runWithHooks(TOKENS, edit).clone();
  using _hooks = model.hooks(edit);
  const [logits] = model.runWithCache(TOKENS);
  assertSameBits(logits, edited);
});
