/** Decompositions, patching and circuits of GPT-2. */

import { assertEquals } from "@std/assert";
import {
  type ComplexTensor,
  FactoredMatrix,
  HookedTransformer,
  patching,
  Tensor,
} from "../../mod.ts";
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
  readonly decomposition_labels: Readonly<Record<string, readonly string[]>>;
  readonly decomposition_tokens: {
    readonly answers: readonly number[];
    readonly wrongs: readonly number[];
  };
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

type Labelled = readonly [Tensor, string[]];

const DECOMPOSITIONS = analysisCase("decompositions", function* (model, info, want) {
  const tokens = want.get("tokens")!;
  const { answers, wrongs } = info.decomposition_tokens;
  const [logits, cache] = model.runWithCache(tokens);
  yield ["tokens", tokens];
  yield ["logits", logits];
  const returnLabels = true;
  const labelled: Record<string, Labelled> = {
    "accumulated_resid": cache.accumulatedResid(undefined, { returnLabels }),
    "accumulated_resid(apply_ln)": cache.accumulatedResid(-1, { applyLn: true, returnLabels }),
    "accumulated_resid(incl_mid)": cache.accumulatedResid(3, { inclMid: true, returnLabels }),
    "accumulated_resid(incl_mid,apply_ln,pos_slice=-1)": cache.accumulatedResid(undefined, {
      inclMid: true,
      applyLn: true,
      posSlice: -1,
      returnLabels,
    }),
    "accumulated_resid(layer=1,mlp_input,apply_ln)": cache.accumulatedResid(1, {
      mlpInput: true,
      applyLn: true,
      returnLabels,
    }),
    "decompose_resid": cache.decomposeResid(undefined, { returnLabels }),
    "decompose_resid(layer=1,apply_ln)": cache.decomposeResid(1, { applyLn: true, returnLabels }),
    "decompose_resid(layer=2,mlp_input)": cache.decomposeResid(2, { mlpInput: true, returnLabels }),
    "decompose_resid(mode=attn,apply_ln)": cache.decomposeResid(undefined, {
      mode: "attn",
      applyLn: true,
      returnLabels,
    }),
    "decompose_resid(mode=mlp,incl_embeds=False,pos_slice=-1,apply_ln)": cache.decomposeResid(-1, {
      mode: "mlp",
      inclEmbeds: false,
      posSlice: -1,
      applyLn: true,
      returnLabels,
    }),
    "get_full_resid_decomposition(expand_neurons=False,pos_slice=-1,apply_ln)": cache
      .getFullResidDecomposition(undefined, {
        expandNeurons: false,
        posSlice: -1,
        applyLn: true,
        returnLabels,
      }),
    "get_full_resid_decomposition(layer=1,mlp_input,expand_neurons=False)": cache
      .getFullResidDecomposition(1, { mlpInput: true, expandNeurons: false, returnLabels }),
    "stack_head_results(apply_ln,pos_slice=-1)": cache.stackHeadResults(-1, {
      applyLn: true,
      posSlice: -1,
      returnLabels,
    }),
    "stack_head_results(incl_remainder,pos_slice=-1)": cache.stackHeadResults(undefined, {
      inclRemainder: true,
      posSlice: -1,
      returnLabels,
    }),
    "stack_head_results(layer=2,apply_ln)": cache.stackHeadResults(2, {
      applyLn: true,
      returnLabels,
    }),
    "stack_neuron_results(layer=2,neuron_slice=(0,5),incl_remainder,pos_slice=-1)": cache
      .stackNeuronResults(2, {
        neuronSlice: ":5",
        inclRemainder: true,
        posSlice: -1,
        returnLabels,
      }),
  };
  for (const [name, [stack, labels]] of Object.entries(labelled)) {
    assertEquals(labels, info.decomposition_labels[name], name);
    yield [name, stack];
  }
  const decomposed = cache.decomposeResid(1, { mlpInput: true });
  yield [
    "apply_ln_to_stack(decompose_resid(layer=1,mlp_input),layer=1,mlp_input)",
    cache.applyLnToStack(decomposed, 1, { mlpInput: true }),
  ];
  const heads = cache.stackHeadResults();
  yield ["apply_ln_to_stack(stack_head_results)", cache.applyLnToStack(heads)];
  const last = cache.decomposeResid(undefined, { posSlice: -1 });
  const [right, wrong] = [answers, wrongs].map((ids) => Tensor.from(ids, undefined, "int32"));
  yield [
    "logit_attrs(decompose_resid(pos_slice=-1),answers,pos_slice=-1)",
    cache.logitAttrs(last, right, { posSlice: -1 }),
  ];
  yield [
    "logit_attrs(decompose_resid(pos_slice=-1),answers,wrongs,pos_slice=-1)",
    cache.logitAttrs(last, right, { incorrectTokens: wrong, posSlice: -1 }),
  ];
  yield ["logit_attrs(stack_head_results,token=17)", cache.logitAttrs(heads, 17)];
  yield [
    "stack_activation(normalized,sublayer_type=ln1)",
    cache.stackActivation("normalized", undefined, { sublayerType: "ln1" }),
  ];
  yield ["stack_activation(z)", cache.stackActivation("z")];
});

/** The absolute values of eigenvalues, in the order that the reference has them: the largest first. */
function sortedAbs({ re, im }: ComplexTensor): Tensor {
  return re.mul(re).add(im.mul(im)).sqrt().sort(-1, { descending: true })[0];
}

/** Singular vectors have a sign that nothing determines: takes that of the reference, along an axis. */
function signedAs(want: Tensor, got: Tensor, dim: number): Tensor {
  const sameSign = got.mul(want).sum(dim, { keepdim: true }).ge(0).expand(got.shape);
  return got.where(sameSign, got.neg());
}

const CIRCUITS = analysisCase("circuits", function* (model, _, want) {
  for (const name of ["QK", "OV"] as const) {
    const matrix = model[name];
    yield [`${name}.S`, matrix.S];
    yield [`${name}.norm`, matrix.norm()];
    yield [`${name}.eigenvalue_sum_real`, matrix.eigenvalues.re.sum(-1)];
    yield [`${name}.eigenvalue_abs_sorted`, sortedAbs(matrix.eigenvalues)];
    yield [`${name}[1,2].AB`, matrix.at(1, 2).AB];
  }
  for (const mode of ["Q", "K", "V"] as const) {
    yield [`all_composition_scores(${mode})`, model.allCompositionScores(mode)];
  }
  yield ["accumulated_bias(2)", model.accumulatedBias(2)];
  yield [
    "accumulated_bias(1,mlp_input,include_mlp_biases=False)",
    model.accumulatedBias(1, { mlpInput: true, includeMlpBiases: false }),
  ];
  const [A, B, C, D] = ["fm.A", "fm.B", "fm.C", "fm.D"].map((name) => want.get(name)!);
  const fm = new FactoredMatrix(A, B);
  yield* [["fm.A", fm.A], ["fm.B", fm.B], ["fm.C", C], ["fm.D", D]];
  yield ["fm.AB", fm.AB];
  yield ["fm.S", fm.S];
  yield ["fm.T.AB", fm.T.AB];
  yield ["fm.norm", fm.norm()];
  yield ["fm.BA_of_square", new FactoredMatrix(A, B.at(":", ":9")).BA];
  yield ["fm.collapse_l", signedAs(want.get("fm.collapse_l")!, fm.collapseL(), -1)];
  yield ["fm.collapse_r", signedAs(want.get("fm.collapse_r")!, fm.collapseR(), 0)];
  yield ["fm.make_even.AB", fm.makeEven().AB];
  yield ["fm@C.AB", (fm.matmul(C) as FactoredMatrix).AB];
  yield ["D@fm.AB", (fm.rmatmul(D) as FactoredMatrix).AB];
});

/** The cases of the analysis of GPT-2. */
export const ANALYSIS_CASES: readonly ParityCase[] = [PATCHING, DECOMPOSITIONS, CIRCUITS];
