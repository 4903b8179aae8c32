/**
 * Sparse autoencoders with hook points.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, described, ShapeError, UnknownPointError } from "../core/errors.ts";
import { explainPythonNames } from "../core/python_names.ts";
import { normal } from "../core/random.ts";
import { sizeOf } from "../core/scope.ts";
import { apply, Tensor } from "../core/tensor.ts";
import { HookedModule } from "../hooks/hooked_root.ts";
import { HookPoint } from "../hooks/hook_point.ts";
import type { PointSelector } from "../hooks/hook_registry.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import { noteOrigin } from "../weights/origin.ts";
import { ParameterStore } from "../weights/parameter_store.ts";
import type { SourceLocation } from "../weights/open_source.ts";
import type { WeightArray } from "../weights/state_dict.ts";
import {
  type AutoencodeContext,
  decode,
  encode,
  flattened,
  saeNames,
  splicedOutput,
  type SpliceMode,
  whyNeverPassed,
} from "./autoencode.ts";
import type { SaeConfig, SaeConfigOptions } from "./config.ts";
import { createSaeConfig } from "./read_config.ts";
import type { KindOps } from "./kinds/kind.ts";
import { SAE_KINDS } from "./kinds/registry.ts";
import { RESTORED } from "./normalize.ts";
import type { SaeLoadOptions, SaeReleaseOptions } from "./load.ts";
import { allRows, standaloneTap } from "./standalone.ts";

/** How an SAE is made: its sizes, its place, its kind. */
export type HookedSaeOptions = SaeConfigOptions & {
  /** Adds the error term when spliced, unless the splice says otherwise. */
  useErrorTerm?: boolean;
  /** Seeds the random weights. */
  seed?: number;
};

interface SaeWeights {
  readonly store: ParameterStore;
  readonly ops: KindOps;
}

const OWN_NAMES = saeNames("");

/** What reads SAEs from files; who loads none does without. */
function reading(): Promise<typeof import("./load.ts")> {
  return import("./load.ts");
}

function loaded(cfg: SaeConfig, weights: ReadonlyMap<string, WeightArray>): SaeWeights {
  const { store, layout } = ParameterStore.filled(
    weights,
    (store) => SAE_KINDS[cfg.architecture].load(store, cfg),
  );
  return { store, ops: layout };
}

/**
 * Random weights: decoder rows of length 1, the encoder their transpose, other matrices with rows of about length 1, biases and skip
 * connections zero (SAELens' initialisation).
 */
function randomWeights(cfg: SaeConfig, seed: number): Map<string, WeightArray> {
  const random = normal(seed);
  const { dSae, dIn, dOut = dIn } = cfg;
  const decoder = Float32Array.from({ length: dSae * dOut }, random);
  const encoder = new Float32Array(dIn * dSae);
  for (let f = 0; f < dSae; f++) {
    const row = decoder.subarray(f * dOut, (f + 1) * dOut);
    const norm = Math.hypot(...row);
    for (let d = 0; d < dOut; d++) row[d] /= norm;
    for (let d = 0; d < dIn; d++) {
      encoder[d * dSae + f] = dIn === dOut ? row[d] : random() / Math.sqrt(dIn);
    }
  }
  const known = new Map([["W_dec", decoder], ["W_enc", encoder]]);
  const filled = (name: string, shape: readonly number[]) => {
    const isRandom = name.endsWith(".weight");
    const scale = 1 / Math.sqrt(shape[shape.length - 1]);
    return Float32Array.from({ length: sizeOf(shape) }, () => isRandom ? random() * scale : 0);
  };
  const shapes = Object.entries(SAE_KINDS[cfg.architecture].shapes(cfg));
  return new Map(
    shapes.map(([name, shape]) => [name, { shape, data: known.get(name) ?? filled(name, shape) }]),
  );
}

/** Identifies an SAE's weights: SAEs that share them compute the same. */
export let weightsOf: (sae: HookedSAE) => object;

/** Computes what takes an activation's place during a run, with the SAE's points under a prefix. */
export let spliceSae: (
  sae: HookedSAE,
  tap: Tap,
  prefix: string,
  input: RowValue,
  original: RowValue,
  mode: SpliceMode,
) => RowValue;

/**
 * A sparse autoencoder, or a transcoder, with hook points on everything inside (SAELens' `SAE`).
 *
 * @example
 * ```ts
 * import { SAE, Tensor } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.2.hook_z");
 * const codes = sae.encode(Tensor.randn([1, 3, 4, 32]));
 * assertEquals(codes.shape, [1, 3, 1024]);
 * ```
 */
export class HookedSAE extends HookedModule implements Disposable {
  /** What kind of SAE this is, and where it belongs. Folding replaces it. */
  cfg: SaeConfig;
  /** Whether the error term is added when the SAE is spliced in and the splice doesn't say. */
  useErrorTerm: boolean;
  /** The flattened input, before normalisation and `b_dec`. */
  readonly hookSaeInput: HookPoint = new HookPoint("hook_sae_input");
  /** Codes before the activation function. */
  readonly hookSaeActsPre: HookPoint = new HookPoint("hook_sae_acts_pre");
  /** The codes: the features' activations. */
  readonly hookSaeActsPost: HookPoint = new HookPoint("hook_sae_acts_post");
  /** The reconstruction, before it is scaled and shaped back. */
  readonly hookSaeRecons: HookPoint = new HookPoint("hook_sae_recons");
  /** What the reconstruction misses; fires with the error term alone. */
  readonly hookSaeError: HookPoint = new HookPoint("hook_sae_error");
  /** What takes the activation's place. */
  readonly hookSaeOutput: HookPoint = new HookPoint("hook_sae_output");
  #weights: SaeWeights;
  #lastInput: Tensor | undefined;
  /** What codes were made of, as long as they are there. */
  readonly #inputs = new WeakMap<Tensor, Tensor>();

  /**
   * Makes an SAE with random weights, the same for the same seed.
   *
   * @param options Sizes, place and kind.
   * @param weights Parameters by SAELens' names, instead of random ones.
   * @throws {ConfigError} If the options are incomplete or contradict each other.
   */
  constructor(options: HookedSaeOptions, weights?: ReadonlyMap<string, WeightArray> | HookedSAE) {
    super();
    const { useErrorTerm = false, seed = 0, ...cfg } = options;
    this.cfg = createSaeConfig(cfg as SaeConfigOptions);
    this.useErrorTerm = useErrorTerm;
    this.#weights = weights instanceof HookedSAE
      ? weights.#weights
      : loaded(this.cfg, weights ?? randomWeights(this.cfg, seed));
  }

  /**
   * Loads an SAE of a release, or of a repository of the hub.
   *
   * @param release The release's name, such as `ioi-tiny-hook-z` (embedded) or `gpt2-small-hook-z-kk`, or a repository's id,
   *   `owner/name`.
   * @param id The SAE within it, such as `blocks.2.hook_z`; of a repository the path of its folder or file.
   * @param options Where the hub is, what to change in the configuration, progress and abort.
   * @throws {UnknownPointError} If there is no such release or SAE; the message names the nearest.
   * @throws {ConfigError} If the configuration is malformed or of an unknown kind.
   * @throws {WeightFileError} If files or tensors are missing, malformed or of another shape.
   */
  static async fromPretrained(
    release: string,
    id: string,
    options: SaeReleaseOptions = {},
  ): Promise<HookedSAE> {
    const { loadRelease } = await reading();
    const { cfg, weights } = await loadRelease(release, id, options);
    const sae = new HookedSAE(cfg, weights);
    noteOrigin(sae.#weights, { release, id });
    return sae;
  }

  /**
   * Loads an SAE of a release with what is known of it (SAELens' `from_pretrained_with_cfg_and_sparsity`).
   *
   * @returns The SAE, its configuration, and the base-10 logarithm of how often each feature is alive [dSae], null where the files
   *   don't say.
   */
  static async fromPretrainedWithCfgAndSparsity(
    release: string,
    id: string,
    options: SaeReleaseOptions = {},
  ): Promise<[HookedSAE, SaeConfig, Tensor | null]> {
    const { loadRelease } = await reading();
    const { cfg, weights, sparsity } = await loadRelease(release, id, options);
    const sae = new HookedSAE(cfg, weights);
    noteOrigin(sae.#weights, { release, id });
    return [sae, cfg, sparsity ? Tensor.from(sparsity) : null];
  }

  /**
   * Loads an SAE from a folder or a file of one's own: in SAELens' layout, `cfg.json` and `sae_weights.safetensors`, or in another
   * publisher's.
   *
   * @param location A path or URL of a folder or file, or files by name.
   * @param options The format where it can't be told from the files, what to change in the configuration, progress and abort.
   * @throws {ConfigError} If the configuration is malformed or of an unknown kind, or the format doesn't tell enough.
   * @throws {WeightFileError} If files or tensors are missing, malformed or of another shape.
   */
  static async fromDisk(
    location: SourceLocation,
    options: SaeLoadOptions = {},
  ): Promise<HookedSAE> {
    const { loadSae } = await reading();
    const { cfg, weights } = await loadSae(location, options);
    const sae = new HookedSAE(cfg, weights);
    const { format, path, repo, cfg: changes } = options;
    const isNamed = typeof location === "string" || location instanceof URL;
    if (isNamed && !changes) {
      noteOrigin(sae.#weights, { folder: String(location), format, path, repo });
    }
    return sae;
  }

  /** The encoder [dIn, dSae]; the decoder's transpose where the two are tied. */
  get W_enc(): Tensor {
    const { store } = this.#weights;
    const isTied = !store.disposed && !store.has("W_enc");
    return isTied ? this.W_dec.transpose() : store.view("W_enc");
  }

  /** The decoder [dSae, dOut]. */
  get W_dec(): Tensor {
    return this.#weights.store.view("W_dec");
  }

  /** The encoder's bias [dSae]; gated SAEs have `b_gate` and `b_mag` instead. */
  get b_enc(): Tensor {
    return this.#weights.store.view("b_enc");
  }

  /** The bias of a gated SAE's gates [dSae]. */
  get b_gate(): Tensor {
    return this.#weights.store.view("b_gate");
  }

  /** The bias of a gated SAE's magnitudes [dSae]. */
  get b_mag(): Tensor {
    return this.#weights.store.view("b_mag");
  }

  /** What a gated SAE's encoder is scaled by for magnitudes, as logarithms [dSae]. */
  get r_mag(): Tensor {
    return this.#weights.store.view("r_mag");
  }

  /** The decoder's bias [dOut]. */
  get b_dec(): Tensor {
    return this.#weights.store.view("b_dec");
  }

  /** The skip connection [dOut, dIn]; skip transcoders only. */
  get W_skip(): Tensor {
    return this.#weights.store.view("W_skip");
  }

  /** What pre-activations have to exceed [dSae]; JumpReLU SAEs only. */
  get threshold(): Tensor {
    return this.#weights.store.view("threshold");
  }

  /** Forgets what backward passes gave the parameters, `sae.W_dec.grad` and its kin. Clones share their weights, and these. */
  zeroGrad(): void {
    this.#weights.store.gradients.clear();
  }

  /** All parameters by name. */
  stateDict(): Map<string, Tensor> {
    const { store } = this.#weights;
    return new Map(store.names().map((name) => [name, store.view(name)]));
  }

  /**
   * Encodes activations.
   *
   * @param x Activations as they are at `cfg.hookName`.
   * @returns Codes [..., dSae].
   */
  encode(x: Tensor): Tensor {
    if (!(x instanceof Tensor)) {
      throw new ShapeError(
        `Cannot encode ${
          described(x)
        }: expected a Tensor of activations [..., dIn ${this.cfg.dIn}].`,
      );
    }
    const lead = this.#leading(x.shape, this.cfg.hookName);
    const input = x.detach();
    const made = apply([x], (handle) => {
      const context = this.#standalone(lead);
      const { codes } = encode(context, this.#rows(context, handle, x.shape.slice(lead.length)));
      return core().reshape(codes.handle, Uint32Array.of(...lead, this.cfg.dSae));
    });
    this.#lastInput = input;
    this.#inputs.set(made, input);
    return made;
  }

  /**
   * Decodes codes. What {@linkcode HookedSAE.encode} did to its input is undone, its scale and its head axis: where these are codes
   * that it gave, to theirs, else to the last (SAELens).
   *
   * @param codes Codes [..., dSae].
   * @returns Activations [..., dOut], with the head axis where the SAE is one of `hook_z`.
   * @throws {ShapeError} If the codes have another width, or no input of their shape was encoded that a scale could be taken from.
   */
  decode(codes: Tensor): Tensor {
    const { dSae, dIn, dOut = dIn, normalizeActivations, reshapeActivations } = this.cfg;
    if (codes.shape.at(-1) !== dSae) {
      throw new ShapeError(
        `Cannot decode [${codes.shape.join(", ")}]: expected [..., dSae ${dSae}].`,
      );
    }
    const last = this.#inputs.get(codes) ?? this.#lastInput;
    const isScaled = RESTORED.has(normalizeActivations);
    if (isScaled && !last) {
      throw new ShapeError(
        `Cannot decode with ${normalizeActivations}: the scale is taken from the input, so call encode() first.`,
      );
    }
    const lead = codes.shape.slice(0, -1);
    const lastLead = last ? this.#leading(last.shape, this.cfg.hookName) : [];
    if (isScaled && last && sizeOf(lead) !== sizeOf(lastLead)) {
      const shapes = [codes, last].map(({ shape }) => `[${shape.join(", ")}]`);
      throw new ShapeError(
        `Cannot decode ${
          shapes[0]
        } with ${normalizeActivations}: the scale is taken from the input, and the last was ${
          shapes[1]
        }.`,
      );
    }
    const tail = reshapeActivations === "hook_z" && last ? last.shape.slice(-2) : [dOut];
    return apply(last ? [codes, last] : [codes], (handle, scaled) => {
      const context = this.#standalone(lead);
      const rows = this.#rows(context, handle, [dSae]);
      const input = last && isScaled
        ? flattened(
          core().reshape(
            scaled,
            Uint32Array.of(sizeOf(lead), ...last.shape.slice(lastLead.length)),
          ),
          this.cfg,
        )
        : 0;
      const { output } = decode(context, rows, { ...rows, handle: input }, tail);
      return core().reshape(output.handle, Uint32Array.of(...lead, ...tail));
    });
  }

  /**
   * Reconstructs activations, with the error term when {@linkcode HookedSAE.useErrorTerm} is set. A transcoder gives what it makes
   * of them, without an error term: it doesn't know what it is compared with.
   *
   * @param x Activations as they are at `cfg.hookName`.
   */
  override forward(x: Tensor): Tensor {
    const { dIn, dOut = dIn, architecture } = this.cfg;
    const { isTranscoder } = SAE_KINDS[architecture];
    const lead = this.#leading(x.shape, this.cfg.hookName);
    const shape = isTranscoder ? [...lead, dOut] : x.shape;
    const mode: SpliceMode = {
      useErrorTerm: this.useErrorTerm && !isTranscoder,
      errorGrad: "detach",
      excluded: undefined,
      tail: shape.slice(lead.length),
    };
    return apply([x], (handle) => {
      const context = { ...this.#standalone(lead), bypass: this.#ops().bypass };
      const input = this.#rows(context, handle, x.shape.slice(lead.length));
      const output = splicedOutput(context, input, input, mode);
      return core().reshape(output.handle, new Uint32Array(shape));
    });
  }

  /**
   * Scales the decoder's rows to length 1 and the encoder to make up for it. The reconstruction stays.
   *
   * @throws {ConfigError} If that would change which codes are kept, as it would for topk SAEs without `rescaleActsByDecoderNorm`
   *   and for those whose encoder is their decoder.
   */
  foldWDecNorm(): void {
    const { dSae, architecture } = this.cfg;
    const kind = SAE_KINDS[architecture];
    const { scaledByNorm } = kind;
    const why = kind.whyTied ?? kind.whyUnfoldable?.(this.cfg);
    if (why !== undefined) {
      throw new ConfigError(`Cannot fold the decoder's norms of this ${architecture} SAE: ${why}.`);
    }
    // A row of zeros stays one instead of becoming NaN.
    const norms = this.W_dec.norm(-1).clamp(1e-8);
    const biases = scaledByNorm.map((
      name,
    ): [string, Tensor] => [name, this.#weights.store.view(name).mul(norms)]);
    this.#replaceWeights([
      ["W_dec", this.W_dec.div(norms.unsqueeze(-1))],
      ["W_enc", this.W_enc.mul(norms.reshape(1, dSae))],
      ...biases,
    ]);
  }

  /**
   * Folds the factor that activations were multiplied by in training (`expected_average_only_in`) into the weights, so that the SAE
   * reads and writes activations as they are (SAELens' `fold_activation_norm_scaling_factor`). Biases of codes stay.
   *
   * @param factor What activations were multiplied by.
   * @throws {ConfigError} If the factor is 0 or not finite, or the SAE isn't one of this scale or another.
   */
  foldActivationNormScalingFactor(factor: number): void {
    const { architecture, residualThreshold } = this.cfg;
    this.#requireNone("the activations' scale", SAE_KINDS[architecture].whyUnscalable);
    if (!Number.isFinite(factor) || factor === 0) {
      throw new ConfigError(
        `Cannot fold the activations' scale ${factor}: expected a number, not 0.`,
      );
    }
    this.cfg = {
      ...this.cfg,
      normalizeActivations: "none",
      ...residualThreshold === undefined ? {} : { residualThreshold: residualThreshold / factor },
    };
    // An encoder that is the decoder gives codes in the activations' own scale.
    const isTied = !this.#weights.store.has("W_enc");
    this.#replaceWeights([
      ["b_dec", this.b_dec.div(factor)],
      ...isTied ? [] : [
        ["W_enc", this.W_enc.mul(factor)],
        ["W_dec", this.W_dec.div(factor)],
      ] as [string, Tensor][],
    ]);
  }

  /**
   * Folds the whitening that activations went through in training (`covariance_whitening`), `z = (x - mean) M`, into the weights, so
   * that the SAE reads and writes activations as they are (SAELens' `fold_activation_whitening`).
   *
   * @param mean The activations' mean [dIn].
   * @param whitening `M` [dIn, dIn].
   * @param unwhitening Its inverse [dIn, dIn].
   * @throws {ConfigError} If the SAE is a transcoder, whose output is of another space, or the encoder can't be changed by itself.
   * @throws {ShapeError} If the shapes aren't those.
   */
  foldActivationWhitening(mean: Tensor, whitening: Tensor, unwhitening: Tensor): void {
    const { dIn, architecture, applyBDecToInput, rescaleActsByDecoderNorm } = this.cfg;
    const { isTranscoder, whyTied } = SAE_KINDS[architecture];
    this.#requireNone("a whitening", whyTied);
    if (isTranscoder) {
      throw new ConfigError(
        "Cannot fold a whitening into a transcoder: what it writes isn't what was whitened.",
      );
    }
    const wanted = [[dIn], [dIn, dIn], [dIn, dIn]].join("; ");
    const got = [mean, whitening, unwhitening].map(({ shape }) => shape).join("; ");
    if (got !== wanted) {
      throw new ShapeError(`Cannot fold a whitening of shapes ${got}: expected ${wanted}.`);
    }
    if (rescaleActsByDecoderNorm) {
      // The decoder's norms are about to change, and with them which codes are the largest.
      this.foldWDecNorm();
      this.cfg = { ...this.cfg, rescaleActsByDecoderNorm: false };
    }
    this.cfg = { ...this.cfg, normalizeActivations: "none" };
    const wEnc = whitening.matmul(this.W_enc);
    // Where b_dec is subtracted from the input, its new value takes the mean away.
    const biases = applyBDecToInput ? [] : this.#shiftedBiases(mean.matmul(wEnc));
    this.#replaceWeights([
      ["W_enc", wEnc],
      ["W_dec", this.W_dec.matmul(unwhitening)],
      ["b_dec", this.b_dec.matmul(unwhitening).add(mean)],
      ...biases,
    ]);
  }

  /**
   * Folds a constant that activations lacked in training into the weights: the SAE was trained on `x - shift`, and reads and writes
   * `x` from now on.
   *
   * @param shift The constant [dIn].
   * @throws {ConfigError} If the SAE scales activations first, is a transcoder, whose output is of another space, or has no encoder of
   *   its own.
   * @throws {ShapeError} If the shape isn't that.
   */
  foldActivationShift(shift: Tensor): void {
    const { dIn, architecture, applyBDecToInput, normalizeActivations } = this.cfg;
    const { isTranscoder, whyTied } = SAE_KINDS[architecture];
    this.#requireNone("a shift", whyTied);
    this.#requireNone("a shift", isTranscoder ? "what it writes isn't what it reads" : undefined);
    const isScaled = RESTORED.has(normalizeActivations);
    const why = `it scales activations (${normalizeActivations}) before its weights see them`;
    this.#requireNone("a shift", isScaled ? why : undefined);
    if (shift.shape.join() !== `${dIn}`) {
      throw new ShapeError(
        `Cannot fold a shift of shape [${shift.shape.join(", ")}]: expected [${dIn}].`,
      );
    }
    // Where b_dec is subtracted from the input, its new value takes the shift away.
    const biases = applyBDecToInput ? [] : this.#shiftedBiases(shift.matmul(this.W_enc));
    this.#replaceWeights([["b_dec", this.b_dec.add(shift)], ...biases]);
  }

  /** An SAE with the same weights, and flags and hook points of its own; hooks aren't copied. */
  clone(): HookedSAE {
    return new HookedSAE(
      { ...this.cfg, useErrorTerm: this.useErrorTerm } as HookedSaeOptions,
      this,
    );
  }

  /** Gives the weights' memory back; clones that share them can't be used any more either. */
  [Symbol.dispose](): void {
    this.#weights.store[Symbol.dispose]();
  }

  /** Describes the SAE. */
  override toString(): string {
    const { architecture, dIn, dSae, hookName } = this.cfg;
    return `HookedSAE(${architecture}, ${hookName}, ${dIn} → ${dSae})`;
  }

  /** Puts other weights in the place of some. Clones may share the old ones, so these are left to whoever holds them. */
  #replaceWeights(changed: readonly [string, Tensor][]): void {
    const arrays = [...this.stateDict(), ...changed].map((
      [name, tensor],
    ): [string, WeightArray] => [
      name,
      { shape: tensor.shape, data: tensor.data() as Float32Array },
    ]);
    this.#weights = loaded(this.cfg, new Map(arrays));
  }

  /** The encoder's biases when the input loses what the encoder makes `moved` [dSae] of. */
  #shiftedBiases(moved: Tensor): [string, Tensor][] {
    const view = (name: string) => this.#weights.store.view(name);
    return Object.entries(SAE_KINDS[this.cfg.architecture].shifted).map(([bias, scale]) => [
      bias,
      view(bias).sub(scale === undefined ? moved : moved.mul(view(scale).exp())),
    ]);
  }

  /** Throws unless a selector is a predicate or names a point that this kind of SAE passes. */
  protected override requirePoint(name: PointSelector): void {
    super.requirePoint(name);
    const why = typeof name === "string" ? whyNeverPassed(this.cfg, name) : undefined;
    if (why === undefined) return;
    throw new UnknownPointError(`A hook on "${name}" can never fire: ${why}.`);
  }

  #requireNone(what: string, why: string | undefined): void {
    if (why === undefined) return;
    throw new ConfigError(`Cannot fold ${what} into this ${this.cfg.architecture} SAE: ${why}.`);
  }

  /** The arithmetic over the weights, while they are there. */
  #ops(): KindOps {
    const { store, ops } = this.#weights;
    if (store.disposed) throw new ConfigError(`Cannot use ${this}: the SAE was disposed.`);
    return ops;
  }

  /** The SAE by itself: its own hooks fire. */
  #standalone(lead: readonly number[]): AutoencodeContext {
    return {
      cfg: this.cfg,
      ops: this.#ops(),
      names: OWN_NAMES,
      tap: standaloneTap(this.hookDict, lead),
      bypass: undefined,
    };
  }

  #rows({ tap }: AutoencodeContext, handle: Handle, tail: readonly number[]): RowValue {
    return allRows(
      tap,
      "input",
      core().reshape(handle, Uint32Array.of(tap.space.all.count, ...tail)),
    );
  }

  /** The axes in front of those that the SAE reads, or an error when these have another width. */
  #leading(shape: readonly number[], where: string): readonly number[] {
    const { dIn, reshapeActivations } = this.cfg;
    const byHead = reshapeActivations === "hook_z";
    const width = byHead ? (shape.at(-1) ?? 0) * (shape.at(-2) ?? 0) : shape.at(-1);
    if (width === dIn) return shape.slice(0, byHead ? -2 : -1);
    throw new ShapeError(
      `Cannot encode [${shape.join(", ")}] at "${where}": expected [..., ${
        byHead ? `head × dHead = ${dIn}` : `dIn ${dIn}`
      }]. Is it an SAE of this model?`,
    );
  }

  /** Lets the session reach what users don't. */
  static {
    weightsOf = (sae) => sae.#weights;
    spliceSae = (sae, tap, prefix, input, original, mode) => {
      const { cfg } = sae;
      if (!input.rows.isEmpty) {
        const { batch, nPos } = tap.space;
        sae.#leading([batch, nPos, ...core().shape_of(input.handle).subarray(1)], prefix);
      }
      const ops = sae.#ops();
      const { gradients } = sae.#weights.store;
      const bypass = SAE_KINDS[cfg.architecture].splicesCodesAlone ? undefined : ops.bypass;
      const context = { cfg, ops, names: saeNames(prefix), tap, bypass, gradients };
      return splicedOutput(context, input, original, mode);
    };
  }

  static {
    explainPythonNames(HookedSAE);
  }
}
