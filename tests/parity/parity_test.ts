/** Agreement with TransformerLens and SAELens, point by point. */

import { assert } from "@std/assert";
import { compareAll, type Comparison, referenceTolerance, summary } from "./_compare.ts";
import { ANALYSIS_CASES } from "./_analysis.ts";
import { GPT2_CASES } from "./_gpt2.ts";
import { GQA_CASES } from "./_gqa.ts";
import { IOI_TINY_CASES } from "./_ioi_tiny.ts";
import { modelCases, modelEntries } from "./_models.ts";
import { KV_CACHE_CASES } from "./_kv_cache.ts";
import { MULTI_SAE_CASES } from "./_multi_sae.ts";
import { SAE_CASES } from "./_sae.ts";
import { SAE_FORMAT_CASES } from "./_sae_formats.ts";
import { SAE_LEGACY_CASES } from "./_sae_legacy.ts";

const MODEL_CASES = (await Promise.all(modelEntries().map(modelCases))).flat();
const CASES = [
  ...MODEL_CASES,
  ...GPT2_CASES,
  ...GQA_CASES,
  ...KV_CACHE_CASES,
  ...ANALYSIS_CASES,
  ...SAE_CASES,
  ...SAE_LEGACY_CASES,
  ...SAE_FORMAT_CASES,
  ...MULTI_SAE_CASES,
  ...IOI_TINY_CASES,
];
const compared: Comparison[] = [];

for (const { name, run, tolerance = referenceTolerance } of CASES) {
  Deno.test(`parity with ${name}`, async () => {
    const { got, want } = await run();
    compared.push(compareAll(name, got, want, tolerance));
  });
}

Deno.test("parity summary: every comparison saw a point", () => {
  console.log(summary(compared));
  assert(compared.every(({ points }) => points > 0));
});
