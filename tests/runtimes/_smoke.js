// What every runtime must do alike. Plain JavaScript without imports, so that it runs wherever it is put; the library is handed in.
// @ts-self-types="./_smoke.d.ts"

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const POINT = "blocks.1.attn.hook_z.hook_sae_acts_post";

/** Position of the second " John". */
const POSITION = 10;

/**
 * Loads the embedded model, runs it with an SAE, ablates the SAE's strongest feature, and follows a gradient back to it.
 *
 * @param {typeof import("../../mod.ts")} splicer The library.
 * @param {import("../../mod.ts").Threads} [threads] On how many threads.
 * @returns {Promise<import("./_smoke.d.ts").SmokeResult>}
 */
export async function smoke({ coreInfo, HookedSAETransformer, SAE }, threads) {
  const model = await HookedSAETransformer.fromPretrained("ioi-tiny", { threads });
  const core = coreInfo();
  const saes = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const [mary, john] = [" Mary", " John"].map((name) => model.toSingleToken(name));
  const difference = (logits) => logits.at(0, -1, mary).sub(logits.at(0, -1, john));

  const logits = model.forward(PROMPT);
  const [, cache] = model.runWithCacheWithSaes(PROMPT, { saes, useErrorTerm: true });
  const codes = cache.get(POINT).at(0, POSITION);
  const [strengths, features] = codes.topk(5);
  const feature = features.at(0).item();
  const ablated = model.runWithHooksWithSaes(PROMPT, {
    saes,
    useErrorTerm: true,
    fwdHooks: [[POINT, (acts) => acts.set([":", POSITION, feature], 0)]],
  });
  const { rows, resumedFrom } = model.ran;

  let gradient;
  const watched = model.runWithHooksWithSaes(PROMPT, {
    saes,
    useErrorTerm: true,
    bwdHooks: [[POINT, (grad) => {
      gradient = grad.at(0, POSITION).indexSelect(0, features).toArray();
    }]],
  });
  difference(watched).backward();

  const result = {
    core,
    next: model.toString(logits.at(0, -1).argmax().item()),
    logits: [...logits.at(0, -1).data()],
    difference: difference(logits).item(),
    features: features.toArray(),
    strengths: strengths.toArray(),
    ablated: difference(ablated).item(),
    rows,
    resumedFrom,
    gradient,
  };
  saes[Symbol.dispose]();
  model[Symbol.dispose]();
  return result;
}
