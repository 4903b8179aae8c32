import { assert, assertEquals } from "@std/assert";
import { ConfigError, patching, Tensor } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { tinyModel, TOKENS } from "../session/_models.ts";
import { readReference, referenceModel } from "./_reference.ts";

/** Logits of about twenty in float32, from a change that is added in another order. */
const NEAR = { atol: 2e-4, rtol: 0 };

const CLEAN = [[3, 1, 4, 7, 5, 9], [2, 6, 1, 3, 8, 8]];

const metric = (logits: Tensor) => logits.at(":", -1, 3).sub(logits.at(":", -1, 4)).mean();

Deno.test("getActPatchDirectPath() gives TransformerLens' numbers", async () => {
  const { prompt, directPath } = await readReference();
  using model = await referenceModel();
  const tokens = model.toTokens(directPath.corrupted);
  const [, clean] = model.runWithCache(prompt);
  const [, corrupted] = model.runWithCache(tokens);
  const [mary, john] = [" Mary", " John"].map((name) => model.toSingleToken(name));
  const difference = (logits: Tensor) => logits.at(0, -1, mary).sub(logits.at(0, -1, john));
  const [layer, head] = directPath.source;
  for (const component of ["q", "k", "v"] as const) {
    const result = patching.getActPatchDirectPath(
      model,
      tokens,
      clean,
      corrupted,
      difference,
      layer,
      head,
      { component },
    );
    assert(result.allClose(Tensor.from(directPath[component]), NEAR), component);
  }
});

Deno.test("A direct path leaves everything else as it is, also where norms have weights of their own", () => {
  // A change so small that a norm's scale doesn't notice it: the path is then that of a run whose inputs change.
  for (const normalizationType of ["LN", "LNPre", null] as const) {
    using model = tinyModel({ nLayers: 3, normalizationType });
    const [, corrupted] = model.runWithCache(TOKENS);
    const [, clean] = model.runWithCache(CLEAN);
    const result = patching.getActPatchDirectPath(
      model,
      TOKENS,
      clean,
      corrupted,
      metric,
      0,
      1,
      { component: "v" },
    );
    assertEquals([...result.shape], [3, 2]);
    assertEquals(result.at(0).toArray(), [0, 0]);
    const W_O = model.blocks[0].attn.W_O.at(1);
    const change = clean.get("z", 0).sub(corrupted.get("z", 0)).at(":", ":", 1).matmul(W_O);
    for (const layer of [1, 2]) {
      for (const head of [0, 1]) {
        // The norm's scale stays as it was.
        const scale = `blocks.${layer}.ln1.hook_scale`;
        const fwdHooks = [
          [
            `blocks.${layer}.hook_v_input`,
            (input: Tensor) => input.set([":", ":", head], input.at(":", ":", head).add(change)),
          ] as const,
        ];
        model.setUseSplitQkvInput(true);
        const frozen = normalizationType === null ? fwdHooks : [
          ...fwdHooks,
          [scale, (act: Tensor) => corrupted.get(scale).unsqueeze(2).expand(act.shape)] as const,
        ];
        const expected = metric(model.runWithHooks(TOKENS, { fwdHooks: frozen })).item();
        model.setUseSplitQkvInput(false);
        const got = result.at(layer, head).item();
        assert(Math.abs(got - expected) < 1e-4, `${normalizationType} ${layer}.${head}`);
      }
    }
  }
});

Deno.test("getActPatchDirectPathAllSources() stacks the sources", () => {
  using model = tinyModel();
  const [, corrupted] = model.runWithCache(TOKENS);
  const [, clean] = model.runWithCache(CLEAN);
  const seen: number[] = [];
  const all = patching.getActPatchDirectPathAllSources(model, TOKENS, clean, corrupted, metric, {
    onProgress: ({ done, total }) => seen.push(done, total),
  });
  assertEquals([...all.shape], [2, 2, 2, 2]);
  assertEquals(seen.slice(-2), [4, 4]);
  const one = patching.getActPatchDirectPath(model, TOKENS, clean, corrupted, metric, 0, 1);
  assertEquals(all.at(0, 1).toArray(), one.toArray());
  assertEquals(all.at(1).any().item(), 0);
  assertError(
    () => patching.getActPatchDirectPath(model, TOKENS, clean, corrupted, metric, 0, 2),
    RangeError,
    "There is no head 0.2: the model has 2 layers of 2 heads.",
  );
  assertError(
    () =>
      patching.getActPatchDirectPath(model, TOKENS, clean, corrupted, metric, 0, 0, {
        component: "z" as "q",
      }),
    ConfigError,
    'Cannot patch a path into "z": expected "q", "k", "v".',
  );
});
