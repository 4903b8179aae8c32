/**
 * Programs that use a model, in steps between which others may use it too. What they give depends on the model, the SAEs and the random
 * numbers alone.
 */

import {
  type Edit,
  edits,
  type HookedSAE,
  Session,
  type SweepAxes,
  type Tensor,
} from "../../mod.ts";
import {
  below,
  editablePoints,
  pick,
  type Random,
  randomHooks,
  randomTokens,
} from "../invariants/_random_runs.ts";
import type { Setting } from "./_settings.ts";

/** A program: gives a tensor after each of its steps. */
export type Program = (setting: Setting, random: Random) => AsyncGenerator<Tensor>;

/** Some of a setting's SAEs. */
function someSaes({ saes }: Setting, random: Random): HookedSAE[] {
  return saes.filter(() => random() < 0.4);
}

/**
 * Points that random hooks leave alone. Without a scale a value is no number, and zero times that is none either: through the attention
 * of a temporal SAE it reaches the positions before it in a whole run, and not in one that computes those behind alone.
 */
function unfit(saes: readonly HookedSAE[]): RegExp {
  const isTemporal = saes.some(({ cfg }) => cfg.architecture === "temporal");
  return isTemporal ? /hook_(sae_error|scale)$/ : /hook_sae_error$/;
}

/** Points that edits leave alone: beside those of other axes those whose zeros make logits no numbers. */
const UNEDITED = /hook_(pattern|scale)$|_error$/;

/** An edit as data that any point of three axes or more takes. */
function randomEdit(random: Random, nPos: number): Edit {
  const cells = {
    pos: pick(random, ["all", below(random, nPos), -1, { from: below(random, nPos) }] as const),
    ...random() < 0.3 && { when: "live" } as const,
  };
  return pick(random, [
    () => edits.ablate(cells),
    () => edits.scale({ ...cells, by: random() * 3 - 1 }),
    () => edits.add({ ...cells, value: random() }),
    () => edits.clamp({ ...cells, max: random() }),
    () => edits.meanAblate(cells),
    () => edits.freeze(cells),
  ])();
}

async function* forward({ model }: Setting, random: Random): AsyncGenerator<Tensor> {
  const { tokens, attentionMask } = randomTokens(random);
  yield model.forward(tokens, { attentionMask });
  yield model.forward(tokens, { attentionMask, returnType: "loss" });
  yield model.forward(tokens, { attentionMask, stopAtLayer: 1 });
}

async function* hooked(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens, attentionMask } = randomTokens(random);
  const useErrorTerm = random() < 0.5 ? true : undefined;
  for (let run = 0; run < 3; run++) {
    const fwdHooks = randomHooks(random, model, saes, unfit(saes));
    yield model.runWithHooksWithSaes(tokens, { saes, useErrorTerm, attentionMask, fwdHooks });
    yield model.runWithSaes(tokens, { saes, attentionMask });
  }
}

async function* cached(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens } = randomTokens(random);
  const names = editablePoints(model, saes);
  const namesFilter = Array.from({ length: 3 }, () => pick(random, names));
  const [logits, cache] = model.runWithCacheWithSaes(tokens, { saes, namesFilter });
  yield logits;
  // A cache outlives its run.
  for (const name of new Set(namesFilter)) yield cache.get(name);
}

async function* differentiated(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens, attentionMask } = randomTokens(random);
  const point = pick(random, ["blocks.1.hook_resid_mid", "blocks.2.mlp.hook_pre"]);
  const gradients: Tensor[] = [];
  const logits = model.runWithHooksWithSaes(tokens, {
    saes,
    attentionMask,
    fwdHooks: randomHooks(random, model, saes, unfit(saes)),
    bwdHooks: [[point, (gradient) => void gradients.push(gradient.detach())]],
  });
  yield logits;
  logits.at(":", -1).sum().backward();
  for (const gradient of gradients) yield gradient;
  const [loss, cache] = model.runWithCacheWithSaes(tokens, {
    saes,
    attentionMask,
    returnType: "loss",
    inclBwd: true,
    namesFilter: point,
  });
  yield loss;
  yield cache.get(`${point}_grad`);
}

async function* generated(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens } = randomTokens(random);
  const options = {
    saes,
    maxNewTokens: 4,
    stopAtEos: false,
    seed: below(random, 1000),
    usePastKvCache: random() < 0.8,
    fwdHooks: [["blocks.1.hook_mlp_out", edits.scale({ by: 1 + random() })] as const],
  };
  // Some leave the loop before its end.
  const steps = 1 + below(random, 5);
  let step = 0;
  for await (const { logits } of model.generateStream(tokens, options)) {
    yield logits;
    if (++step === steps) break;
  }
  const [text, cache] = model.generate(tokens, { ...options, returnCache: true });
  yield text.mul(1);
  yield cache.get("blocks.2.hook_resid_post");
}

async function* edited(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens } = randomTokens(random);
  let session = model.session(tokens, { saes });
  const names = editablePoints(model, saes, UNEDITED);
  for (let step = 0; step < 8; step++) {
    const ids = session.edits.map(({ id }) => id);
    const act = random();
    if (act < 0.5 || ids.length === 0) {
      session.edit(pick(random, names), randomEdit(random, tokens.shape[1]));
    } else if (act < 0.65) session.undo(1 + below(random, 2));
    else if (act < 0.75) session.redo();
    else if (act < 0.85) session.off(pick(random, ids));
    else session = session.fork();
    yield session.run().logits.at(":", -1);
  }
  yield session.run().logits;
  const stored = JSON.stringify(session.toJSON());
  const loaded = await Session.load(stored, { model, saes });
  yield loaded.run().logits;
}

async function* written(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens } = randomTokens(random);
  const session = model.session(tokens, { saes });
  const names = editablePoints(model, saes, UNEDITED);
  using text = session.generate({ stopAtEos: false, doSample: true, seed: below(random, 1000) });
  for (let step = 0; step < 5; step++) {
    const act = random();
    if (act < 0.4) session.edit(pick(random, names), randomEdit(random, tokens.shape[1]));
    else if (act < 0.5) session.undo();
    else if (act < 0.6 && text.nNew > 0) text.takeBack(1);
    yield text.step().logits;
  }
}

async function* swept(setting: Setting, random: Random): AsyncGenerator<Tensor> {
  const { model } = setting;
  const saes = someSaes(setting, random);
  const { tokens } = randomTokens(random);
  const nPos = tokens.shape[1];
  const over: SweepAxes = random() < 0.5
    ? { pos: [0, nPos - 1], feature: [0, 1, 2] }
    : { feature: [below(random, 4), 3] };
  const names = editablePoints(model, saes, /hook_pattern$|hook_scale$|_error$|hook_result$/);
  const at = pick(random, names.filter((name) => /resid|mlp|_acts_post$/.test(name)));
  const metric = (logits: Tensor) => logits.at(":", -1, 1).sub(logits.at(":", -1, 2));
  yield model.sweep(tokens, { saes, at, over, metric, edit: pick(random, ["ablate", 0.5]) });
}

async function* coded({ model, saes }: Setting, random: Random): AsyncGenerator<Tensor> {
  const sae = pick(random, saes);
  const { tokens } = randomTokens(random);
  const point = sae.cfg.hookName;
  const [, cache] = model.runWithCache(tokens, { namesFilter: point });
  const value = cache.get(point);
  const codes = sae.encode(value);
  yield codes;
  yield sae.decode(codes);
  const twin = sae.clone();
  twin.useErrorTerm = true;
  yield twin.forward(value);
}

async function* reloaded({ model }: Setting, random: Random): AsyncGenerator<Tensor> {
  const { tokens } = randomTokens(random);
  const logits = model.forward(tokens);
  const weights = new Map(
    [...model.stateDict()].map(([name, tensor]) =>
      [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
    ),
  );
  model.loadAndProcessStateDict(weights, {
    foldLn: false,
    centerWritingWeights: false,
    centerUnembed: false,
    foldValueBiases: false,
  });
  // What was begun with the old weights is read with them; the new ones are the same.
  yield logits;
  yield model.forward(tokens);
}

/** The programs by name. */
export const PROGRAMS = {
  forward,
  hooked,
  cached,
  differentiated,
  generated,
  edited,
  written,
  swept,
  coded,
  reloaded,
} satisfies Record<string, Program>;
