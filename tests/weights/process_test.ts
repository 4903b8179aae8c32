import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/core/errors.ts";
import type { HookedTransformerConfig } from "../../src/model/config.ts";
import {
  configFromHuggingFace,
  stateDictFromHuggingFace,
} from "../../src/model/architectures/hugging_face.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { type ProcessableConfig, processWeights } from "../../src/weights/process.ts";
import { openSafetensors } from "../../src/weights/safetensors.ts";
import type { StateDict, WeightArray } from "../../src/weights/state_dict.ts";
import { fixture, seeded } from "./_files.ts";

/** All steps off. */
const NONE = {
  foldLn: false,
  centerWritingWeights: false,
  centerUnembed: false,
  foldValueBiases: false,
};

async function load(name: string): Promise<{ cfg: HookedTransformerConfig; dict: StateDict }> {
  const source = fixture(name);
  const json = await source.readJson("config.json");
  const cfg = configFromHuggingFace(json);
  return { cfg, dict: await stateDictFromHuggingFace(json, cfg, await openCheckpoint(source)) };
}

/** A one-block model of random weights around one, small enough to work out by hand. */
function tiny(
  options: Partial<ProcessableConfig> = {},
): { cfg: ProcessableConfig; dict: StateDict } {
  const cfg: ProcessableConfig = {
    nLayers: 1,
    normalizationType: "LN",
    finalRms: false,
    positionalEmbeddingType: "standard",
    outputLogitsSoftCap: -1,
    nKeyValueHeads: null,
    useQkNorm: false,
    ...options,
  };
  const next = seeded(7);
  const shapes: Record<string, number[]> = {
    "embed.W_E": [5, 3],
    "pos_embed.W_pos": [4, 3],
    "blocks.0.ln1.w": [3],
    "blocks.0.ln1.b": [3],
    "blocks.0.attn.W_Q": [2, 3, 2],
    "blocks.0.attn.W_K": [2, 3, 2],
    "blocks.0.attn.W_V": [2, 3, 2],
    "blocks.0.attn.W_O": [2, 2, 3],
    "blocks.0.attn.b_Q": [2, 2],
    "blocks.0.attn.b_K": [2, 2],
    "blocks.0.attn.b_V": [2, 2],
    "blocks.0.attn.b_O": [3],
    "ln_final.w": [3],
    "ln_final.b": [3],
    "unembed.W_U": [3, 5],
    "unembed.b_U": [5],
  };
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    return [name, { shape, data: Float32Array.from({ length: size }, () => 1 + next()) }] as const;
  });
  return { cfg, dict: new Map(entries) };
}

function at(dict: StateDict, name: string): WeightArray {
  const weight = dict.get(name);
  assert(weight !== undefined, name);
  return weight;
}

/** The largest |a - b| / (1 + |b|). */
function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assertEquals(a.length, b.length);
  return Array.from(a).reduce(
    (worst, value, i) => Math.max(worst, Math.abs(value - b[i]) / (1 + Math.abs(b[i]))),
    0,
  );
}

/** [W; b] of a head as rows [m + 1][d]. */
function headWithBias(dict: StateDict, letter: "Q" | "K", h: number): number[][] {
  const { shape: [, dModel, dHead], data } = at(dict, `blocks.0.attn.W_${letter}`);
  const bias = at(dict, `blocks.0.attn.b_${letter}`).data;
  const rows = Array.from({ length: dModel }, (_, m) => [
    ...data.subarray((h * dModel + m) * dHead, (h * dModel + m + 1) * dHead),
  ]);
  return [...rows, [...bias.subarray(h * dHead, (h + 1) * dHead)]];
}

/** [W_Q; b_Q] [W_K; b_K]^T of a head: what its scores depend on. */
function queryKeyProduct(dict: StateDict, h: number): number[] {
  const [q, k] = [headWithBias(dict, "Q", h), headWithBias(dict, "K", h)];
  return q.flatMap((row) => k.map((column) => row.reduce((sum, x, j) => sum + x * column[j], 0)));
}

/** W_V W_O of a head. */
function valueOutputProduct(dict: StateDict, h: number): number[] {
  const { shape: [, dModel, dHead], data: v } = at(dict, "blocks.0.attn.W_V");
  const o = at(dict, "blocks.0.attn.W_O").data;
  return Array.from({ length: dModel * dModel }, (_, i) => {
    const [from, to] = [Math.floor(i / dModel), i % dModel];
    let sum = 0;
    for (let j = 0; j < dHead; j++) {
      sum += v[(h * dModel + from) * dHead + j] * o[(h * dHead + j) * dModel + to];
    }
    return sum;
  });
}

Deno.test("processWeights() gives TransformerLens' processed weights", async () => {
  const reference = await openSafetensors(fixture("gpt2"), "processed_weights.safetensors");
  for (const name of ["gpt2/model", "gpt2/model_hubkeys", "gpt2/model_sharded"]) {
    const { cfg, dict } = await load(name);
    const values = () => new Map([...dict].map(([name, { data }]) => [name, data.slice()]));
    const before = values();
    const processed = processWeights(cfg, dict);
    assertEquals(values(), before, "the given weights are left as they are");
    assertEquals(processed.cfg, { ...cfg, normalizationType: "LNPre" });
    assertEquals([...processed.stateDict.keys()].sort(), [...reference.names].sort());
    for (const weight of reference.names) {
      const { shape, data } = at(processed.stateDict, weight);
      assertEquals(shape, reference.info(weight).shape, weight);
      // TransformerLens sums in float32, we in float64; measured at most 5e-7 (b_U, whose values reach 3).
      const worst = worstDifference(data, (await reference.read(weight)).data);
      assert(worst < 1e-6, `${weight}: ${worst}`);
    }
  }
});

Deno.test("processWeights() without steps gives the weights back", async () => {
  const { cfg, dict } = await load("gpt2/model");
  const processed = processWeights(cfg, dict, NONE);
  assertEquals(processed.cfg, cfg);
  assert([...dict].every(([name, weight]) => processed.stateDict.get(name) === weight));
});

Deno.test("processWeights() folds layer norms as the formulas say", () => {
  const { cfg, dict } = tiny();
  const { stateDict } = processWeights(cfg, dict, { ...NONE, foldLn: true });
  assert(![...stateDict.keys()].some((name) => /(^|\.)ln/.test(name)));
  const [w, b] = [at(dict, "ln_final.w").data, at(dict, "ln_final.b").data];
  const [wU, bU] = [at(dict, "unembed.W_U").data, at(dict, "unembed.b_U").data];
  for (let v = 0; v < 5; v++) {
    const column = [0, 1, 2].map((m) => wU[m * 5 + v]);
    const scaled = column.map((value, m) => value * w[m]);
    const mean = (scaled[0] + scaled[1] + scaled[2]) / 3;
    const bias = column.reduce((sum, value, m) => sum + value * b[m], bU[v]);
    assertEquals(at(stateDict, "unembed.b_U").data[v], Math.fround(bias));
    const folded = at(stateDict, "unembed.W_U").data;
    // One rounding to float32 of values below four.
    scaled.forEach((value, m) => assert(Math.abs(folded[m * 5 + v] - (value - mean)) < 2 ** -23));
  }
});

Deno.test("processWeights() scales without centring where the norms don't centre", () => {
  const rms = tiny({ normalizationType: "RMS" });
  for (const name of ["blocks.0.ln1.b", "ln_final.b"]) rms.dict.delete(name);
  const folded = processWeights(rms.cfg, rms.dict);
  assertEquals(folded.cfg.normalizationType, "RMSPre");
  const w = at(rms.dict, "blocks.0.ln1.w").data;
  const expected = at(rms.dict, "blocks.0.attn.W_Q").data.map((x, i) =>
    x * w[Math.floor(i / 2) % 3]
  );
  assertEquals(at(folded.stateDict, "blocks.0.attn.W_Q").data, expected);
  assertEquals(folded.stateDict.get("embed.W_E"), rms.dict.get("embed.W_E"));

  // TransformerLens centres W_U here, which changes the model.
  const final = tiny({ finalRms: true });
  const { stateDict } = processWeights(final.cfg, final.dict, { ...NONE, foldLn: true });
  const lnW = at(final.dict, "ln_final.w").data;
  const wU = at(final.dict, "unembed.W_U").data.map((x, i) => x * lnW[Math.floor(i / 5)]);
  assertEquals(at(stateDict, "unembed.W_U").data, wU);
});

Deno.test("processWeights() leaves alone what it would change in meaning", () => {
  const shortformer = tiny({ positionalEmbeddingType: "shortformer" });
  const kept = processWeights(shortformer.cfg, shortformer.dict);
  assertEquals(kept.cfg.normalizationType, "LN");
  assertEquals(kept.stateDict.get("blocks.0.ln1.w"), shortformer.dict.get("blocks.0.ln1.w"));
  assertEquals(kept.stateDict.get("embed.W_E"), shortformer.dict.get("embed.W_E"));
  assertEquals(kept.stateDict.get("unembed.W_U"), shortformer.dict.get("unembed.W_U"));

  const capped = tiny({ outputLogitsSoftCap: 30 });
  const { stateDict } = processWeights(capped.cfg, capped.dict, { ...NONE, centerUnembed: true });
  assertEquals(stateDict, capped.dict);

  const bare = tiny({ normalizationType: null });
  for (const name of [...bare.dict.keys()]) if (/(^|\.)ln/.test(name)) bare.dict.delete(name);
  const processed = processWeights(bare.cfg, bare.dict, {
    foldValueBiases: false,
    centerUnembed: false,
  });
  assertEquals(processed, { cfg: bare.cfg, stateDict: bare.dict });
});

Deno.test("processWeights() refactors attention with the products kept", async () => {
  const { cfg, dict } = await load("gpt2/model");
  const plain = processWeights(cfg, dict).stateDict;
  const { stateDict } = processWeights(cfg, dict, { refactorFactoredAttnMatrices: true });
  for (let h = 0; h < cfg.nHeads; h++) {
    // Factors are rounded to float32, products of 12 terms near one are compared.
    const scores = worstDifference(queryKeyProduct(stateDict, h), queryKeyProduct(plain, h));
    const output = worstDifference(valueOutputProduct(stateDict, h), valueOutputProduct(plain, h));
    assert(Math.max(scores, output) < 2e-6, `head ${h}: ${scores}, ${output}`);
  }
  assertEquals(at(stateDict, "blocks.0.attn.b_O"), at(plain, "blocks.0.attn.b_O"));
  assert(at(stateDict, "blocks.0.attn.b_V").data.every((value) => value === 0));
  const rows = at(stateDict, "blocks.0.attn.W_O").data;
  for (let i = 0; i < cfg.dHead; i++) {
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      for (let m = 0; m < 48; m++) dot += rows[i * 48 + m] * rows[j * 48 + m];
      assert(Math.abs(dot - (i === j ? 1 : 0)) < 1e-6, `W_O rows ${i} and ${j}`);
    }
  }
});

Deno.test("processWeights() folds value biases before it refactors, asked or not", () => {
  const { cfg, dict } = tiny();
  const { stateDict } = processWeights(cfg, dict, { ...NONE, refactorFactoredAttnMatrices: true });
  const [bV, wO] = [at(dict, "blocks.0.attn.b_V").data, at(dict, "blocks.0.attn.W_O").data];
  const bias = at(dict, "blocks.0.attn.b_O").data.map((value, m) =>
    bV.reduce((sum, x, row) => sum + x * wO[row * 3 + m], value)
  );
  assertEquals(at(stateDict, "blocks.0.attn.b_O").data, bias);
  for (const h of [0, 1]) {
    assert(worstDifference(queryKeyProduct(stateDict, h), queryKeyProduct(dict, h)) < 2e-6);
    assert(worstDifference(valueOutputProduct(stateDict, h), valueOutputProduct(dict, h)) < 2e-6);
  }
});

Deno.test("processWeights() refuses to fold a norm's bias into a gated MLP, which has no place for it", () => {
  const { cfg, dict } = tiny();
  const ones = (...shape: number[]) => ({
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
  });
  const gated = (bias: number) =>
    new Map([
      ...dict,
      ["blocks.0.ln2.w", ones(3)],
      ["blocks.0.ln2.b", { shape: [3], data: new Float32Array(3).fill(bias) }],
      ["blocks.0.mlp.W_in", ones(3, 4)],
      ["blocks.0.mlp.W_gate", ones(3, 4)],
    ]);
  assertEquals(
    assertThrows(() => processWeights(cfg, gated(1), { ...NONE, foldLn: true }), ConfigError)
      .message,
    'Cannot fold "blocks.0.ln2" into "blocks.0.mlp.W_in": the norm has a bias, for which a gated MLP has no place; ' +
      "wanted foldLn false",
  );
  const { stateDict } = processWeights(cfg, gated(0), { ...NONE, foldLn: true });
  // What reads from a layer norm is centred, and ones are zero then.
  assertEquals(at(stateDict, "blocks.0.mlp.W_gate").data, new Float32Array(12));
});

Deno.test("processWeights() refuses to refactor rotary models, and weights with parts missing", () => {
  const rotary = tiny({ positionalEmbeddingType: "rotary" });
  assertEquals(
    assertThrows(
      () => processWeights(rotary.cfg, rotary.dict, { refactorFactoredAttnMatrices: true }),
      ConfigError,
    ).message,
    "Cannot refactor the attention matrices: positionalEmbeddingType is rotary, and rotations act " +
      "between W_Q and W_K; wanted refactorFactoredAttnMatrices false",
  );
  const refused: [Partial<ProcessableConfig>, string][] = [
    [{ useQkNorm: true }, "useQkNorm is true, and norms act between W_Q and W_K"],
    [{ nKeyValueHeads: 2 }, "nKeyValueHeads is given, and heads share W_K and W_V"],
  ];
  for (const [options, reason] of refused) {
    const { cfg, dict } = tiny(options);
    const refactor = () => processWeights(cfg, dict, { refactorFactoredAttnMatrices: true });
    assertEquals(
      assertThrows(refactor, ConfigError).message,
      `Cannot refactor the attention matrices: ${reason}; wanted refactorFactoredAttnMatrices false`,
    );
  }
  const { cfg, dict } = tiny();
  dict.delete("unembed.W_U");
  assertEquals(
    assertThrows(() => processWeights(cfg, dict), ConfigError).message,
    'Cannot process the weights: the parameter "unembed.W_U" is missing',
  );
});
