/** The steps of the notebook, but for attribution: each adds a section to the report. */
import {
  type ActivationCache,
  bar,
  type HookedSAETransformer,
  type HookFunction,
  type HookSpec,
  imshow,
  line,
  progress,
  Tensor,
  utils,
} from "../mod.ts";
import { layerSets, type StudySaes } from "./_ioi_saes.ts";
import type { Task } from "./_ioi_task.ts";
import type { Report } from "./_report.ts";
import {
  ablateEach,
  addEffects,
  codesOf,
  largestDistance,
  type LiveFeatures,
  liveFeatures,
  logitDiff,
  mean,
  rounded,
  type Study,
} from "./_ioi_study.ts";

/** Prompts, answers and the model's own logits. */
export async function runClean(
  model: HookedSAETransformer,
  saes: StudySaes,
  task: Task,
  report: Report,
): Promise<Study> {
  const { prompts, answers } = task;
  const tokens = model.toTokens(prompts, { prependBos: true });
  const answerIds = answers.map((pair) => pair.map((answer) => model.toSingleToken(answer)));
  const answerTokens = Tensor.from(answerIds, undefined, "int32");
  const [originalLogits, cache] = model.runWithCache(tokens);
  const original = logitDiff(originalLogits, answerTokens);
  const last = originalLogits.at(":", -1);
  const predicted = last.argmax(-1);

  report.put("tokens", tokens);
  report.put("answer_tokens", answerTokens);
  report.put("clean.logits_last", last);
  report.put("clean.logit_diff", original);
  report.put("clean.argmax", predicted);
  report.put(
    "clean.loss_per_token",
    utils.lmCrossEntropyLoss(originalLogits, tokens, { perToken: true }),
  );
  for (let layer = 0; layer < model.cfg.nLayers; layer++) {
    report.put(`clean.pattern.${layer}`, cache.get("pattern", layer));
  }
  const logitDiffs: number[] = original.toArray();
  const predictions: number[] = predicted.toArray();
  await report.add({
    heading: "Prompts and answers",
    text:
      "Each prompt names two people and then one of them again, the subject (S2). The indirect object is the other one, " +
      "and the correct answer. The logit difference is the logit of the correct name minus that of the other: " +
      `${mean(original)} on average.`,
    table: {
      columns: ["prompt", "correct", "the model's answer", "logit difference"],
      rows: prompts.map((prompt, i) => [
        prompt,
        answers[i][0],
        model.toSingleStrToken(predictions[i]),
        rounded(logitDiffs[i]),
      ]),
    },
  });
  const promptLabels = answers.map(([correct], i) => `${i}${correct}`);
  const study = {
    ...task,
    ...saes,
    model,
    report,
    tokens,
    answerTokens,
    promptLabels,
    originalLogits,
    original,
  };
  await readResidualStream(study, cache);
  return study;
}

/** The logit lens: the logit difference as the residual stream has it after each part of the model. */
async function readResidualStream(
  { model, report, answerTokens, promptLabels }: Study,
  cache: ActivationCache,
) {
  const [resid, labels] = cache.accumulatedResid(-1, {
    inclMid: true,
    posSlice: -1,
    returnLabels: true,
  });
  const scaled = cache.applyLnToStack(resid, -1, { posSlice: -1 });
  const direction = model.tokensToResidualDirections(answerTokens.at(":", 0))
    .sub(model.tokensToResidualDirections(answerTokens.at(":", 1)));
  const lens = scaled.mul(direction).sum(-1);
  report.put("clean.logit_lens", lens);
  await report.add({
    heading: "Where the answer appears",
    text:
      "The logit difference read off the residual stream at the last position, before and after each layer's attention.",
    figure: line(labels, lens.transpose(), {
      title: "Logit difference read off the residual stream",
      xaxis: "Residual stream",
      yaxis: "Logit difference",
      names: promptLabels,
      markers: true,
      legendTitleText: "Prompt",
    }),
  });
}

/** `runWithSaes`: how well the model does with its attention outputs reconstructed. */
export async function spliceSubsets(
  { model, report, tokens, answerTokens, byLayer, original }: Study,
) {
  const names = ["none"];
  const diffs = [original];
  for (const layers of layerSets([...byLayer.keys()])) {
    const saes = layers.map((layer) => byLayer.get(layer)!);
    const logits = model.runWithSaes(tokens, { saes });
    const diff = logitDiff(logits, answerTokens);
    report.put(`saes.${layers.join("_")}.logits_last`, logits.at(":", -1));
    report.put(`saes.${layers.join("_")}.logit_diff`, diff);
    names.push(layers.join(", "));
    diffs.push(diff);
  }
  const [means, deviations] = [diffs.map(mean), diffs.map((diff) => rounded(diff.std().item()))];
  await report.add({
    heading: "Run with SAEs",
    text:
      "runWithSaes() puts the SAEs' reconstructions in the place of the attention outputs, for one forward pass. " +
      "The bars are means over the prompts, the error bars standard deviations.",
    table: {
      columns: ["SAEs in layers", "logit difference", "std", "change"],
      rows: names.map((name, i) => [name, means[i], deviations[i], rounded(means[i] - means[0])]),
    },
    figure: bar(names, means, {
      title: "Logit Diff after Interventions",
      xaxis: "Layers with SAEs",
      yaxis: "Logit diff",
      errorY: deviations,
    }),
  });
}

/** `runWithCacheWithSaes` with all SAEs, and with each by itself: which features are active, and how many. */
export async function countFeatures({ model, report, tokens, byLayer, s2Pos }: Study) {
  const [, all] = model.runWithCacheWithSaes(tokens, { saes: [...byLayer.values()] });
  const rows: (string | number)[][] = [];
  for (const [layer, sae] of byLayer) {
    const together = all.get(codesOf(sae));
    report.put(`all_saes.acts_last.${layer}`, together.at(":", -1));
    report.put(`all_saes.acts_s2.${layer}`, together.at(":", s2Pos));
    report.put(
      `all_saes.recons.${layer}`,
      all.get(`${sae.cfg.hookName}.hook_sae_recons`).at(":", -1),
    );
    const [, cache] = model.runWithCacheWithSaes(tokens, { saes: sae });
    const acts = cache.get(codesOf(sae));
    const nActive = acts.gt(0).sum(-1);
    report.put(`one_sae.acts_last.${layer}`, acts.at(":", -1));
    report.put(`one_sae.l0.${layer}`, nActive);
    rows.push([
      sae.cfg.hookName,
      sae.cfg.dSae,
      mean(nActive.at(":", "1:")),
      mean(nActive.at(":", s2Pos)),
      mean(nActive.at(":", -1)),
    ]);
  }
  await report.add({
    heading: "How many features are active",
    text:
      "How many features are active at a token, on average over the prompts, each SAE spliced in by itself; over all " +
      "tokens but the BOS token, at S2, and at the last.",
    table: { columns: ["SAE of", "features", "at all tokens", "at S2", "at the last"], rows },
  });
}

/** The features that are active at S2 in the layer that matters there. */
export async function findLiveFeatures(
  { model, report, tokens, byLayer, s2Layer, s2Pos, promptLabels }: Study,
) {
  const sae = byLayer.get(s2Layer)!;
  const [, cache] = model.runWithCacheWithSaes(tokens, { saes: [sae] });
  for (const part of ["input", "acts_pre", "acts_post", "recons", "output"]) {
    const value = cache.get(`${sae.cfg.hookName}.hook_sae_${part}`);
    report.put(`s2_layer.hook_sae_${part}`, value.at(":", [s2Pos, -1]));
  }
  const live = liveFeatures(codesOf(sae), cache.get(codesOf(sae)), s2Pos);
  report.put("s2_layer.live_features", Tensor.from(live.ids, undefined, "int32"));
  await report.add({
    heading: "Run with cache, with SAEs",
    text:
      `${live.ids.length} of the ${sae.cfg.dSae} features of ${sae.cfg.hookName} are active at S2 (position ${s2Pos}) ` +
      "on one of the prompts or more.",
    figure: imshow(live.acts.at(":", s2Pos, live.ids), {
      title: `Activations of Live SAE features at L${s2Layer} S2 position per prompt`,
      xaxis: "Feature Id",
      yaxis: "Prompt",
      x: live.ids.map(String),
      y: promptLabels,
    }),
  });
  return live;
}

/** `runWithHooksWithSaes`: each live feature zeroed at S2. */
export async function ablateAtS2(study: Study, live: LiveFeatures): Promise<Tensor> {
  const { model, report, tokens, answerTokens, byLayer, s2Layer, s2Pos } = study;
  const saes = byLayer.get(s2Layer)!;
  const baseline = logitDiff(model.runWithSaes(tokens, { saes }), answerTokens);
  const effects = ablateEach(
    study,
    live,
    s2Pos,
    baseline,
    (fwdHooks) => model.runWithHooksWithSaes(tokens, { saes, fwdHooks }),
  );
  report.put("ablation.baseline", baseline);
  report.put("ablation.effects", effects);
  await addEffects(study, live, effects, {
    heading: "Run with hooks, with SAEs: ablating features at S2",
    text:
      `Each of the ${live.ids.length} live features is set to zero at S2, one after another; everything else is as it was. ` +
      "Red features carry the answer: without them the logit difference falls.",
    title:
      `Change in logit diff when ablating L${s2Layer} SAE features for all prompts at pos ${s2Pos}`,
  });
  return baseline;
}

/** The same where the answer is given: in the last layer, at the last position. */
export async function ablateAtEnd(study: Study) {
  const { model, report, tokens, answerTokens, byLayer } = study;
  const [layer, saes] = [...byLayer].at(-1)!;
  const [logits, cache] = model.runWithCacheWithSaes(tokens, { saes });
  const live = liveFeatures(codesOf(saes), cache.get(codesOf(saes)), -1);
  const baseline = logitDiff(logits, answerTokens);
  const effects = ablateEach(
    study,
    live,
    -1,
    baseline,
    (fwdHooks) => model.runWithHooksWithSaes(tokens, { saes, fwdHooks }),
  );
  report.put("ablation_end.live_features", Tensor.from(live.ids, undefined, "int32"));
  report.put("ablation_end.effects", effects);
  await addEffects(study, live, effects, {
    heading: "Ablating features where the answer is given",
    text:
      `The same in layer ${layer} at the last position, where ${live.ids.length} features are active.`,
    title:
      `Change in logit diff when ablating L${layer} SAE features for all prompts at the last position`,
  });
}

/** `addSae` and `resetSaes`, and path patching with the SAE in place. */
export async function patchPaths(study: Study, live: LiveFeatures, baseline: Tensor) {
  const {
    model,
    report,
    tokens,
    answerTokens,
    byLayer,
    originalLogits,
    s2Layer,
    s2Pos,
    sInhibitionHeads,
  } = study;
  const sae = byLayer.get(s2Layer)!;
  model.addSae(sae);
  const attached = [...model.actsToSaes.keys()];
  const logits = model.forward(tokens);
  const [, cache] = model.runWithCache(tokens);
  const acts = cache.get(live.point);
  report.put("attached.logits_last", logits.at(":", -1));
  report.put("attached.acts_s2", acts.at(":", s2Pos));

  model.setUseSplitQkvInput(true);
  const { nLayers, nHeads, dHead, dModel } = model.cfg;
  const W_O = model.W_O.reshape([nLayers, nHeads * dHead, dModel]).at(s2Layer);
  const changes: Tensor[] = [];
  for (const feature of progress(live.ids, { label: "path patching" })) {
    const written = acts.at(":", s2Pos, feature).unsqueeze(-1).mul(sae.W_dec.at(feature)).matmul(
      W_O,
    );
    const fwdHooks = sInhibitionHeads.map(([layer, head]): HookSpec => [
      utils.getActName("v_input", layer),
      (vInput) => vInput.set([":", s2Pos, head], vInput.at(":", s2Pos, head).sub(written)),
    ]);
    changes.push(logitDiff(model.runWithHooks(tokens, { fwdHooks }), answerTokens).sub(baseline));
  }
  model.setUseSplitQkvInput(false);
  model.resetSaes();

  const results = Tensor.stack(changes, 1);
  report.put("path_patching.results", results);
  const heads = sInhibitionHeads.map(([layer, head]) => `${layer}.${head}`).join(", ");
  await addEffects(study, live, results, {
    heading: "Add SAEs, and path patching",
    text:
      `addSae() attached an SAE to ${
        attached.join(", ")
      } until resetSaes() took it out again; attached, it moved the ` +
      `logits by ${
        rounded(largestDistance(logits, originalLogits))
      } at most. Meanwhile what each feature writes to the ` +
      `residual stream at S2 was taken out of the value inputs of the S-inhibition heads (${heads}) and of nothing else.`,
    title:
      "Change in logit diff when path patching features from S_inhibition heads values per prompts",
  });
}

/**
 * Error nodes: the model's own logits with the features still in reach, and the error ablated beside them. The SAE stays attached
 * for the attribution that is compared with these effects.
 */
export async function ablateWithErrorTerm(study: Study, live: LiveFeatures): Promise<Tensor> {
  const { model, report, tokens, answerTokens, byLayer, originalLogits, original, s2Layer, s2Pos } =
    study;
  const sae = byLayer.get(s2Layer)!.clone();
  sae.useErrorTerm = true;
  model.addSae(sae);
  const [logits, cache] = model.runWithCache(tokens);
  const errorPoint = `${sae.cfg.hookName}.hook_sae_error`;
  report.put("error_term.logits_last", logits.at(":", -1));
  report.put("error_term.error", cache.get(errorPoint).at(":", [s2Pos, -1]));

  const effects = ablateEach(
    study,
    live,
    s2Pos,
    original,
    (fwdHooks) => model.runWithHooks(tokens, { fwdHooks }),
  );
  const ablateError: HookFunction = (error) => error.set([":", s2Pos], 0);
  const withoutError = model.runWithHooks(tokens, { fwdHooks: [[errorPoint, ablateError]] });
  const errorEffect = logitDiff(withoutError, answerTokens).sub(original);
  report.put("error_term.effects", effects);
  report.put("error_term.error_effect", errorEffect);
  await report.add({
    heading: "Error nodes",
    text:
      "With useErrorTerm the SAE's output is its reconstruction plus what that misses, so the model is itself again: the " +
      `logits differ by ${
        largestDistance(logits, originalLogits)
      } at most. Setting the error to zero at S2 changes the logit ` +
      `difference by ${
        mean(errorEffect)
      } on average; it is the last column, beside the ablations of the features.`,
    figure: imshow(Tensor.cat([effects, errorEffect.unsqueeze(-1)], -1), {
      title:
        `Change in logit diff when ablating L${s2Layer} SAE features and the error for all prompts at pos ${s2Pos}`,
      xaxis: "Feature Id",
      yaxis: "Prompt",
      x: [...live.ids.map(String), "error"],
      y: study.promptLabels,
    }),
  });
  return effects;
}

/** SAEs of the residual stream. */
export async function spliceResidual(
  { model, report, tokens, answerTokens, residual, original }: Study,
) {
  const rows: (string | number)[][] = [["no SAE", "", mean(original)]];
  const diffs = [original];
  for (const [kind, sae] of residual) {
    const { hookName } = sae.cfg;
    const [logits, cache] = model.runWithCacheWithSaes(tokens, { saes: [sae] });
    const acts = cache.get(codesOf(sae));
    const nActive = acts.gt(0).sum(-1);
    const diff = logitDiff(logits, answerTokens);
    report.put(`resid.${kind}.acts_last`, acts.at(":", -1));
    report.put(`resid.${kind}.l0`, nActive);
    report.put(`resid.${kind}.output_last`, cache.get(`${hookName}.hook_sae_output`).at(":", -1));
    report.put(`resid.${kind}.logits_last`, logits.at(":", -1));
    report.put(`resid.${kind}.logit_diff`, diff);
    rows.push([kind, hookName, mean(diff)]);
    diffs.push(diff);
  }
  const names = rows.map(([kind]) => String(kind));
  await report.add({
    heading: "SAEs of the residual stream",
    text:
      "Here the whole stream between two layers passes through an SAE, so nothing gets around it.",
    table: { columns: ["kind", "at", "logit difference"], rows },
    figure: bar(names, diffs.map(mean), {
      title: "Logit Diff with an SAE of the residual stream",
      xaxis: "SAE",
      yaxis: "Logit diff",
      errorY: diffs.map((diff) => diff.std().item()),
    }),
  });
}
