/** Agreement with TransformerLens and SAELens, point by point: every fixture of the index, and the embedded model. */

import { assertEquals } from "@std/assert";
import { filesRead, fixtureIndex, type FixtureInfo, readJson } from "../_fixtures.ts";
import { byFixture, compareAll, type Comparison, referenceTolerance, summary } from "./_compare.ts";
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
import { TOKENIZER_CASES } from "./_tokenizers.ts";

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
  ...TOKENIZER_CASES,
  ...IOI_TINY_CASES,
];
const compared: Comparison[] = [];

for (const { name, run, tolerance = referenceTolerance } of CASES) {
  Deno.test(`parity with ${name}`, async () => {
    const { got, want } = await run();
    compared.push(compareAll(name, got, want, tolerance));
  });
}

/** Whether a file of a fixture holds references, and not what a model or an SAE is made of, or was before it was saved. */
function holdsReferences(file: string): boolean {
  const isInput = /^(inputs|model|sae_weights|training_weights)\.safetensors$/.test(file);
  return file === "tokenizer_refs.json" || /^[^/]+\.safetensors$/.test(file) && !isInput;
}

/** What TransformerLens makes of a model that its processing changes; ours is compared with the unprocessed one instead. */
const ANSWERED_OTHERWISE: ReadonlySet<string> = new Set([
  "toy/solu_ln_final_rms/processed.safetensors",
  "toy/solu_ln_final_rms/processed_weights.safetensors",
]);

Deno.test("parity summary: every fixture of the index is compared, file by file", async () => {
  const entries = fixtureIndex();
  const rows = byFixture([...entries.map(({ folder }) => folder), "ioi-tiny"], compared);
  console.log(summary(rows));
  assertEquals(rows.filter(({ points }) => points === 0).map(({ name }) => name), []);
  const unread = await Promise.all(entries.map(async ({ folder }) => {
    const { files } = await readJson<FixtureInfo>(folder, "fixture.json");
    const references = Object.keys(files).filter(holdsReferences);
    return references.map((file) => `${folder}/${file}`);
  }));
  const isLeft = (file: string) => !filesRead.has(file) && !ANSWERED_OTHERWISE.has(file);
  assertEquals(unread.flat().filter(isLeft), []);
});
