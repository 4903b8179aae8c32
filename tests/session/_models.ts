/** Small models and SAEs for tests, and exact comparison. */

import { assertEquals } from "@std/assert";
import { HookedSAE, HookedSAETransformer, type Session, Tensor } from "../../mod.ts";
import type { ConfigInput } from "../../src/model/config.ts";
import { GenerationRun } from "../../src/session/generation_run.ts";
import { executionOf } from "../../src/session/hooked_transformer.ts";

/** Two blocks of two heads, layer norms with weights of their own. */
export const TINY: ConfigInput = {
  nLayers: 2,
  dModel: 16,
  dHead: 8,
  nHeads: 2,
  dMlp: 24,
  nCtx: 12,
  dVocab: 20,
  actFn: "gelu_new",
  normalizationType: "LN",
  modelName: "tiny",
};

/** A small model with random weights, biases and norms too, so that no point is without effect. */
export function tinyModel(changes: Partial<ConfigInput> = {}): HookedSAETransformer {
  const shapes = new HookedSAETransformer({ ...TINY, ...changes });
  const stateDict = new Map(
    [...shapes.stateDict()].map(([name, { shape }], i) => {
      const isScale = name.endsWith(".w");
      const values = Tensor.randn(shape, { seed: i + 1 }).mul(0.4);
      const data = (isScale ? values.add(1) : values).data() as Float32Array;
      return [name, { shape, data }];
    }),
  );
  shapes[Symbol.dispose]();
  return new HookedSAETransformer({ ...TINY, ...changes }, { stateDict });
}

/** Two prompts of six tokens. */
export const TOKENS = [[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]];

/** An SAE for a point of the tiny model; `hook_z` is read with its heads joined. */
export function tinySae(
  hookName: string,
  options: { seed?: number; dSae?: number } = {},
): HookedSAE {
  const { seed = 1, dSae = 40 } = options;
  return new HookedSAE({
    dIn: 16,
    dSae,
    hookName,
    seed,
    reshapeActivations: hookName.endsWith("hook_z") ? "hook_z" : "none",
  });
}

/** The bits of a float32 tensor. */
export function bits(tensor: Tensor): Uint32Array {
  return new Uint32Array((tensor.data() as Float32Array).buffer as ArrayBuffer);
}

/** Asserts that two float32 tensors agree in shape and in every bit. */
export function assertSameBits(actual: Tensor, expected: Tensor, what = ""): void {
  assertEquals([...actual.shape], [...expected.shape], what);
  const [a, b] = [bits(actual), bits(expected)];
  const at = a.findIndex((word, i) => word !== b[i]);
  if (at < 0) return;
  const [x, y] = [actual.data()[at], expected.data()[at]];
  assertEquals(x, y, `${what}: element ${at} differs`);
  assertEquals(a[at], b[at], `${what}: the bits of element ${at} differ`);
}

/** Whether any bit of two tensors of one shape differs. */
export function differs(actual: Tensor, expected: Tensor): boolean {
  const [a, b] = [bits(actual), bits(expected)];
  return a.some((word, i) => word !== b[i]);
}

/** The logits behind a text in one run over all of it, under the session's edits. */
export function oneShotLogits(model: HookedSAETransformer, session: Session, text: Tensor): Tensor {
  const [batch, nPrompt] = session.tokens.shape;
  const rows: number[][] = text.toArray();
  using run = new GenerationRun(executionOf(model), {
    batch,
    nPos: nPrompt,
    tokens: Int32Array.from(rows.flatMap((row) => row.slice(0, nPrompt))),
    mask: undefined,
    embeds: undefined,
  }, { usePastKvCache: false });
  for (let pos = nPrompt; pos < rows[0].length; pos++) run.append(rows.map((row) => row[pos]));
  const logits = session.within(() => run.logits());
  return Tensor.from(logits, [batch, logits.length / batch]);
}
