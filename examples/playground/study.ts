/** The embedded model with its SAEs spliced in, and what the page asks of them. */
import {
  type ActivationCache,
  type Edit,
  edits,
  HookedSAETransformer,
  type HookSpec,
  SAE,
  type Tensor,
} from "../../mod.ts";
import type {
  AttentionView,
  Attribution,
  AttributionView,
  FeatureInfo,
  FeatureRow,
  Methods,
  ModelInfo,
  NextToken,
  PageView,
  SaeView,
} from "./protocol.ts";
import type { FeatureEdit, PageState } from "./state.ts";

/** The SAEs that are shown, from the first layer to the last. */
const SAES = [
  { release: "ioi-tiny-hook-z", id: "blocks.0.hook_z", name: "Attention, layer 0" },
  { release: "ioi-tiny-hook-z", id: "blocks.1.hook_z", name: "Attention, layer 1" },
  { release: "ioi-tiny-resid", id: "blocks.2.hook_resid_pre.topk", name: "Stream before layer 2" },
  { release: "ioi-tiny-hook-z", id: "blocks.2.hook_z", name: "Attention, layer 2" },
  { release: "ioi-tiny-hook-z", id: "blocks.3.hook_z", name: "Attention, layer 3" },
];

/** Next tokens, live features of an SAE, features that edits bring up, attributions, words: how many are shown. */
const SHOWN = { next: 8, features: 10, changed: 3, attributions: 16, words: 6 };

/** Below this a feature counts as unchanged: it is a hundredth of a weak one. */
const CHANGE = 0.01;

/** An SAE with what the page calls it. */
interface NamedSae {
  readonly id: string;
  readonly name: string;
  readonly sae: SAE;
  /** The point of its codes. */
  readonly codes: string;
}

/** One run: its last logits [vocab], and the codes by SAE [pos, feature]. */
interface Run {
  readonly logits: Tensor;
  readonly codes: readonly Tensor[];
  readonly rows: number;
}

const toEdit = ({ kind, feature, pos, value = 0 }: FeatureEdit): Edit => {
  const cells = pos === undefined ? { feature } : { feature, pos };
  if (kind === "ablate") return edits.ablate(cells);
  return kind === "scale" ? edits.scale({ ...cells, by: value }) : edits.add({ ...cells, value });
};

/** The model as the page uses it. */
export class Study {
  readonly #model: HookedSAETransformer;
  readonly #saes: readonly NamedSae[];
  /** What a whole run of the last prompt computed. */
  #whole = { prompt: "", rows: 0 };

  private constructor(model: HookedSAETransformer, saes: readonly NamedSae[]) {
    this.#model = model;
    this.#saes = saes;
    // With their error terms they change nothing until a feature is edited.
    for (const { sae } of saes) model.addSae(sae, { useErrorTerm: true });
  }

  /**
   * Loads the model and its SAEs.
   *
   * @param onProgress Is told how many bytes have come, of how many.
   */
  static async load(onProgress: (loaded: number, total: number) => void): Promise<Study> {
    const files = new Map<string, { loaded: number; total: number }>();
    const report = (scope: string) => ({
      onProgress: ({ file, loaded, total = loaded }: {
        file: string;
        loaded: number;
        total: number | undefined;
      }) => {
        files.set(`${scope} ${file}`, { loaded, total });
        const sums = [...files.values()];
        onProgress(
          sums.reduce((sum, { loaded }) => sum + loaded, 0),
          sums.reduce((sum, { total }) => sum + total, 0),
        );
      },
    });
    const [model, ...saes] = await Promise.all([
      HookedSAETransformer.fromPretrained("ioi-tiny", report("model")),
      ...SAES.map(({ release, id }) => SAE.fromPretrained(release, id, report(id))),
    ]);
    return new Study(
      model,
      SAES.map(({ id, name }, n) => ({
        id,
        name,
        sae: saes[n],
        codes: `${saes[n].cfg.hookName}.hook_sae_acts_post`,
      })),
    );
  }

  /** What the page has to know beforehand. */
  get info(): ModelInfo {
    const { nLayers, nHeads, nCtx } = this.#model.cfg;
    const saes = this.#saes.map(({ id, name, sae }) => ({ id, name, dSae: sae.cfg.dSae }));
    return { saes, nLayers, nHeads, nCtx };
  }

  /** Runs a state without its edits and with them. */
  readonly run: Methods["run"] = (state) => {
    const tokens = this.#tokens(state);
    const before = this.#run(tokens, []);
    if (this.#whole.prompt !== state.prompt) {
      this.#whole = { prompt: state.prompt, rows: before.rows };
    }
    const after = state.edits.length === 0 ? before : this.#run(tokens, this.#hooks(state));
    const answers = this.#answers(state, before.logits);
    const [first, second] = answers.map((answer) => this.#tokenOf(answer));
    const difference = ({ logits }: Run) => logits.at(first).sub(logits.at(second)).item();
    return {
      tokens: this.#texts(tokens),
      next: this.#nextTokens(before.logits, after.logits),
      answers,
      difference: { before: difference(before), after: difference(after) },
      saes: this.#saes.map(({ id }, n): SaeView => ({
        id,
        rows: featureRows(
          before.codes[n],
          after.codes[n],
          state.edits.filter(({ sae }) => sae === id).map(({ feature }) => feature),
        ),
        most: strengthsOf(before.codes[n]).max().item(),
      })),
      cost: { rows: after.rows, of: this.#whole.rows },
    } satisfies PageView;
  };

  /** Gives the patterns of a layer's heads. */
  readonly attention: Methods["attention"] = (state, layer): AttentionView => {
    const tokens = this.#tokens(state);
    const name = `blocks.${layer}.attn.hook_pattern`;
    const patterns = (fwdHooks: HookSpec[]) => {
      using _hooks = this.#model.hooks({ fwdHooks });
      const [, cache] = this.#model.runWithCache([tokens], { namesFilter: name });
      return cache.get(name).at(0).toArray() as number[][][];
    };
    const [before, after] = [patterns([]), patterns(this.#hooks(state))];
    return {
      tokens: this.#texts(tokens),
      heads: before.map((head, n) => ({ before: head, after: after[n] })),
    };
  };

  /** Attributes the logit difference to features, under the edits: strength times gradient (Nanda 2022). */
  readonly attribution: Methods["attribution"] = (state): AttributionView => {
    const tokens = this.#tokens(state);
    const { logits: plain } = this.#run(tokens, []);
    const [first, second] = this.#answers(state, plain).map((answer) => this.#tokenOf(answer));
    const gradients = new Map<string, Tensor>();
    using _hooks = this.#model.hooks({
      fwdHooks: this.#hooks(state),
      bwdHooks: this.#saes.map(({ codes }) => [
        codes,
        (gradient) => void gradients.set(codes, gradient.clone()),
      ]),
    });
    const [logits, cache] = this.#model.runWithCache([tokens], {
      namesFilter: this.#saes.map(({ codes }) => codes),
    });
    logits.at(0, -1, first).sub(logits.at(0, -1, second)).backward();
    const parts = this.#saes.map(({ id, codes }) => ({
      id,
      part: this.#part(cache, gradients, codes),
    }));
    return {
      tokens: this.#texts(tokens),
      features: parts.flatMap(({ id, part }) => largest(id, part))
        .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
        .slice(0, SHOWN.attributions),
      sums: parts.map(({ part }) => part.sum(-1).toArray() as number[]),
    };
  };

  /** Says which tokens a feature's direction raises and lowers, as if nothing stood between it and the logits. */
  readonly feature: Methods["feature"] = (id, feature): FeatureInfo => {
    const { sae } = this.#saeOf(id);
    const direction = sae.W_dec.at(feature);
    const written = this.#intoStream(sae.cfg.hookName, direction);
    const effect = written.unsqueeze(0).matmul(this.#model.W_U).at(0);
    const words = (values: Tensor) =>
      Array.from(values.topk(SHOWN.words)[1].data(), (id) => this.#model.toString(id));
    return { raises: words(effect), lowers: words(effect.neg()) };
  };

  /** What a direction at a point adds to the residual stream [dModel]: a mix of heads goes through W_O. */
  #intoStream(hookName: string, direction: Tensor): Tensor {
    const layer = /^blocks\.(\d+)\.attn\.hook_z$/.exec(hookName)?.[1];
    if (layer === undefined) return direction;
    const { nHeads, dHead, dModel } = this.#model.cfg;
    const out = this.#model.blocks[Number(layer)].attn.W_O.reshape(nHeads * dHead, dModel);
    return direction.reshape(1, nHeads * dHead).matmul(out).at(0);
  }

  #part(cache: ActivationCache, gradients: ReadonlyMap<string, Tensor>, codes: string): Tensor {
    const gradient = gradients.get(codes);
    if (gradient === undefined) throw new Error(`No gradient reached ${codes}`);
    return cache.get(codes).mul(gradient).at(0);
  }

  #tokens({ prompt }: PageState): number[] {
    const { nCtx } = this.#model.cfg;
    const tokens = [...this.#model.toTokens(prompt, { truncate: false }).at(0).data()];
    if (tokens.length <= nCtx) return tokens;
    throw new Error(`This prompt is too long: the model reads ${nCtx} tokens.`);
  }

  #texts(tokens: readonly number[]): string[] {
    return tokens.map((id) => this.#model.toString(id));
  }

  #tokenOf(answer: string): number {
    try {
      return this.#model.toSingleToken(answer);
    } catch {
      throw new Error(`“${answer}” isn't one token of the model; an answer must be.`);
    }
  }

  #answers({ answers }: PageState, logits: Tensor): readonly [string, string] {
    if (answers) return answers;
    const [first, second] = logits.topk(2)[1].data();
    return [this.#model.toString(first), this.#model.toString(second)];
  }

  #saeOf(id: string): NamedSae {
    const found = this.#saes.find((sae) => sae.id === id);
    if (found === undefined) throw new Error(`There is no SAE “${id}” here.`);
    return found;
  }

  #hooks({ edits }: PageState): HookSpec[] {
    return edits.map((edit): HookSpec => {
      const { codes, sae } = this.#saeOf(edit.sae);
      if (edit.feature < sae.cfg.dSae) return [codes, toEdit(edit)];
      throw new Error(`${edit.sae} has ${sae.cfg.dSae} features; there is no ${edit.feature}.`);
    });
  }

  #run(tokens: readonly number[], fwdHooks: HookSpec[]): Run {
    using _hooks = this.#model.hooks({ fwdHooks });
    const [logits, cache] = this.#model.runWithCache([[...tokens]], {
      namesFilter: this.#saes.map(({ codes }) => codes),
      logitsAt: -1,
    });
    const { rows } = this.#model.ran;
    return {
      logits: logits.at(0, -1),
      codes: this.#saes.map(({ codes }) => cache.get(codes).at(0)),
      rows,
    };
  }

  #nextTokens(before: Tensor, after: Tensor): NextToken[] {
    const [p, q] = [before.softmax(-1), after.softmax(-1)];
    const ids = new Set([...q.topk(SHOWN.next)[1].data(), ...p.topk(3)[1].data()]);
    return [...ids].map((id) => ({
      token: this.#model.toString(id),
      before: p.at(id).item(),
      after: q.at(id).item(),
    }));
  }
}

/** The largest strength of each feature [feature], over the tokens of the text: the one at its start outshines them all. */
function strengthsOf(codes: Tensor): Tensor {
  const isText = codes.shape[0] > 1;
  return (isText ? codes.at("1:") : codes).max(0)[0];
}

/** The features that are shown: the strongest without edits, then those that are edited, then those that edits change most. */
function featureRows(before: Tensor, after: Tensor, edited: readonly number[]): FeatureRow[] {
  const [values, ids] = strengthsOf(before).topk(SHOWN.features);
  const live = Array.from(ids.data()).filter((_, n) => values.at(n).item() > 0);
  const [changes] = after.sub(before).abs().max(0);
  const [sizes, moved] = changes.topk(SHOWN.features + SHOWN.changed);
  const changed = Array.from(moved.data()).filter((id, n) =>
    sizes.at(n).item() > CHANGE && !live.includes(id)
  ).slice(0, SHOWN.changed);
  const shown = [...new Set([...live, ...edited, ...changed])];
  const [columnsBefore, columnsAfter] = [before, after].map((codes) =>
    codes.indexSelect(1, shown).transpose(0, 1).toArray() as number[][]
  );
  return shown.map((feature, n) => ({
    feature,
    before: columnsBefore[n],
    after: columnsAfter[n],
  }));
}

/** The features with the largest parts, at their positions. */
function largest(sae: string, part: Tensor): Attribution[] {
  const [, nFeatures] = part.shape;
  const [, places] = part.abs().flatten().topk(SHOWN.attributions);
  return Array.from(places.data(), (place) => {
    const [pos, feature] = [Math.floor(place / nFeatures), place % nFeatures];
    return { sae, feature, pos, value: part.at(pos, feature).item() };
  });
}
