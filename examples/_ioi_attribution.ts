/** The notebook's attribution patching: every ablation estimated from one forward and one backward pass. */
import { ActivationCache, imshow, scatter, Tensor } from "../mod.ts";
import {
  addEffects,
  codesOf,
  type LiveFeatures,
  logitDiff,
  rounded,
  type Study,
} from "./_ioi_study.ts";

/** Runs the metric forward and backward once, and keeps the codes and their gradients on the way. */
function cacheForwardAndBackward({ model, tokens, answerTokens, original }: Study) {
  const isCodes = (name: string) => name.includes("hook_sae_acts_post");
  const acts = new Map<string, Tensor>();
  const gradients = new Map<string, Tensor>();
  model.resetHooks();
  model.addHook(isCodes, (act, hook) => void acts.set(hook.name, act.detach()), "fwd");
  model.addHook(
    isCodes,
    (gradient, hook) => void gradients.set(hook.name, gradient.detach()),
    "bwd",
  );
  const value = logitDiff(model.forward(tokens), answerTokens).sub(original).sum();
  value.backward();
  model.resetHooks();
  return {
    value,
    acts: new ActivationCache(acts, model),
    gradients: new ActivationCache(gradients, model),
  };
}

/** One forward and one backward pass through the attached SAEs: each feature's attribution by layer [prompt, pos, feature]. */
function attributeFeatures(study: Study, suffix: string): { layer: number; attribution: Tensor }[] {
  const { model, report, s2Pos } = study;
  const { value, acts, gradients } = cacheForwardAndBackward(study);
  report.put(`attribution.${suffix}.value`, value);
  const attached = [...study.byLayer].filter(([, sae]) => model.actsToSaes.has(sae.cfg.hookName));
  return attached.map(([layer, sae]) => {
    const gradient = gradients.get(codesOf(sae));
    const attribution = gradient.mul(acts.get(codesOf(sae)).neg());
    report.put(`attribution.${suffix}.grad.${layer}`, gradient.at(":", [s2Pos, -1]));
    report.put(`attribution.${suffix}.attr_by_pos.${layer}`, attribution.sum(-1));
    return { layer, attribution };
  });
}

/** Pearson's correlation of two tensors of one shape. */
function correlation(a: Tensor, b: Tensor): Tensor {
  const [x, y] = [a.sub(a.mean()), b.sub(b.mean())];
  return x.mul(y).sum().div(x.norm().mul(y.norm()));
}

/** Attribution patching: every ablation estimated at once, and compared with the real ones. */
export async function attributeAtS2(study: Study, live: LiveFeatures, effects: Tensor) {
  const { model, report, s2Layer, s2Pos, promptLabels } = study;
  const [{ attribution }] = attributeFeatures(study, "one");
  model.resetSaes();
  const atS2 = attribution.at(":", s2Pos, live.ids);
  const agreement = correlation(atS2, effects);
  report.put("attribution.one.attr", atS2);
  report.put("attribution.one.correlation", agreement);
  await addEffects(study, live, atS2, {
    heading: "Attribution patching",
    text:
      "A feature's gradient times minus its activation estimates what its ablation would do: all features at once, from " +
      "one forward and one backward pass.",
    title: `Attribution patching of L${s2Layer} SAE features at S2`,
  });
  const [low, high] = [effects.min().item(), effects.max().item()];
  const hover = promptLabels.flatMap((label) =>
    live.ids.map((feature) => `prompt ${label}, feature ${feature}`)
  );
  const figure = scatter(effects.flatten(), atS2.flatten(), {
    title: `Attribution vs Activation Patching Per SAE feature (L${s2Layer} S2 Pos, all prompts)`,
    xaxis: "Activation Patch",
    yaxis: "Attribution Patch",
    hover,
  });
  figure.addShape({
    type: "line",
    x0: low,
    y0: low,
    x1: high,
    y1: high,
    line: { color: "gray", width: 1, dash: "dot" },
  });
  await report.add({
    heading: "Attribution against ablation",
    text: `On the dotted diagonal the estimate is right. The correlation is ${
      rounded(agreement.item())
    }.`,
    figure,
  });
}

/** The same for every SAE at once, error terms in place. */
export async function attributeEverywhere(study: Study) {
  const { model, report, tokens, byLayer } = study;
  for (const sae of byLayer.values()) model.addSae(sae, { useErrorTerm: true });
  const byPosition = attributeFeatures(study, "all").map(({ attribution }) =>
    attribution.sum(-1).mean(0)
  );
  model.resetSaes();
  const texts = model.toStrTokens(tokens.at(0));
  await report.add({
    heading: "Attribution through all SAEs at once",
    text:
      `The same with ${byLayer.size} SAEs attached, each with its error term, still in one forward and one backward pass. ` +
      "Attributions are summed over a layer's features and averaged over the prompts; the tokens are those of the first.",
    figure: imshow(Tensor.stack(byPosition), {
      title: "Attribution of the features of each layer by position",
      xaxis: "Token",
      yaxis: "Layer",
      x: texts.map((text, pos) => `${pos} ${text.trim()}`),
      y: [...byLayer.keys()].map(String),
    }),
  });
}
