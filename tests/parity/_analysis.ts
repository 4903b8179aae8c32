/** Decompositions, patching and circuits of GPT-2. */

import { HookedTransformer, patching, type Tensor } from "../../mod.ts";
import {
  type FixtureInfo,
  fixtureUrl,
  readJson,
  readTensors,
  type TokenPairs,
} from "../_fixtures.ts";
import { type Named, type ParityCase, perPrompt } from "./_observe.ts";

const FIXTURE = "gpt2";

interface AnalysisInfo extends FixtureInfo {
  readonly patching_metric: TokenPairs;
}

/** Every function of patching by the name that the reference gives it. */
const PATCHES = {
  get_act_patch_resid_pre: patching.getActPatchResidPre,
  get_act_patch_resid_mid: patching.getActPatchResidMid,
  get_act_patch_attn_out: patching.getActPatchAttnOut,
  get_act_patch_mlp_out: patching.getActPatchMlpOut,
  get_act_patch_attn_head_out_by_pos: patching.getActPatchAttnHeadOutByPos,
  get_act_patch_attn_head_q_by_pos: patching.getActPatchAttnHeadQByPos,
  get_act_patch_attn_head_k_by_pos: patching.getActPatchAttnHeadKByPos,
  get_act_patch_attn_head_v_by_pos: patching.getActPatchAttnHeadVByPos,
  get_act_patch_attn_head_pattern_by_pos: patching.getActPatchAttnHeadPatternByPos,
  get_act_patch_attn_head_pattern_dest_src_pos: patching.getActPatchAttnHeadPatternDestSrcPos,
  get_act_patch_attn_head_out_all_pos: patching.getActPatchAttnHeadOutAllPos,
  get_act_patch_attn_head_q_all_pos: patching.getActPatchAttnHeadQAllPos,
  get_act_patch_attn_head_k_all_pos: patching.getActPatchAttnHeadKAllPos,
  get_act_patch_attn_head_v_all_pos: patching.getActPatchAttnHeadVAllPos,
  get_act_patch_attn_head_pattern_all_pos: patching.getActPatchAttnHeadPatternAllPos,
  get_act_patch_attn_head_all_pos_every: patching.getActPatchAttnHeadAllPosEvery,
  get_act_patch_attn_head_by_pos_every: patching.getActPatchAttnHeadByPosEvery,
  get_act_patch_block_every: patching.getActPatchBlockEvery,
} as const;

/** A case over a file of the fixture. */
function analysisCase(
  file: string,
  compute: (
    model: HookedTransformer,
    info: AnalysisInfo,
    want: Named,
  ) => Iterable<[string, Tensor]>,
): ParityCase {
  return {
    name: `${FIXTURE}/${file}`,
    async run() {
      const info = await readJson<AnalysisInfo>(FIXTURE, "fixture.json");
      const want = await readTensors(FIXTURE, `${file}.safetensors`);
      using model = await HookedTransformer.fromPretrained(fixtureUrl(`${FIXTURE}/model`));
      return { got: new Map(compute(model, info, want)), want };
    },
  };
}

const PATCHING = analysisCase("patching", function* (model, { patching_metric }, want) {
  const [clean, corrupted] = ["clean_tokens", "corrupted_tokens"].map((name) => want.get(name)!);
  const metric = (logits: Tensor) => perPrompt(logits, patching_metric).mean();
  const [cleanLogits, cache] = model.runWithCache(clean);
  yield ["clean_tokens", clean];
  yield ["corrupted_tokens", corrupted];
  yield ["clean_metric", metric(cleanLogits)];
  yield ["corrupted_metric", metric(model.forward(corrupted))];
  for (const [name, patch] of Object.entries(PATCHES)) {
    yield [name, patch(model, corrupted, cache, metric)];
  }
});

/** The cases of the analysis of GPT-2. */
export const ANALYSIS_CASES: readonly ParityCase[] = [PATCHING];
