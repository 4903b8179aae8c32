/**
 * Splices made of SAEs and of modules of one's own.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, described, HookError, requireOneOf, ShapeError } from "../core/errors.ts";
import { currentScope } from "../core/scope.ts";
import { handleOf, lentTensor, Tensor } from "../core/tensor.ts";
import { bindPoint, HookPoint } from "../hooks/hook_point.ts";
import { HookRegistry } from "../hooks/hook_registry.ts";
import { HookedModule } from "../hooks/hooked_root.ts";
import { describeShape } from "../hooks/points.ts";
import type { RowValue, Tap } from "../hooks/tap.ts";
import { atExcluded, whyNeverPassed } from "../sae/autoencode.ts";
import { HookedSAE, spliceSae, weightsOf } from "../sae/hooked_sae.ts";
import { SAE_KINDS } from "../sae/kinds/registry.ts";
import type { ErrorGrad, Splice, SpliceContext, SplicePoint } from "./splice.ts";

/** Anything that can be spliced in: it says where, and turns a value into another of its shape. */
export interface SpliceableModule {
  /** Where it reads, and where it writes if that is elsewhere. */
  readonly cfg: { readonly hookName: string; readonly hookNameOut?: string };
  /** Turns the value at the point into another of its shape. */
  forward(x: Tensor): Tensor;
  /** Whether what it gives at a position depends on the positions before, so that it has to see whole texts; no, unless said. */
  readonly mixesPositions?: boolean;
}

/** How a module is attached. */
export interface AttachOptions {
  /** Adds what the module's output misses, so that only edits have an effect. An SAE's own flag unless said. */
  useErrorTerm?: boolean;
  /** Tokens at which the value passes unchanged: the tokenizer's special ones, or these ids. */
  excludeSpecialTokens?: boolean | readonly number[];
  /** Whether the error term lets gradients through to the value it replaces (`"detach"`: no, as in SAELens). */
  errorGrad?: ErrorGrad;
}

/** Points at which modules and hooks see the head in front of the position, the core behind it. */
const BY_HEAD = /\.hook_(attn_scores|pattern)$/;

const HEAD_AND_POSITION = Uint32Array.of(0, 2, 1, 3);

/** The module's points under the names that they have in the model. */
function pointsOf(module: SpliceableModule, prefix: string, registry: HookRegistry): SplicePoint[] {
  if (!(module instanceof HookedModule)) return [];
  return [...module.hookDict.keys()].map((name) => {
    const full = `${prefix}.${name}`;
    const axes = BY_HEAD.test(prefix) ? ["batch", "head", "query", "key"] : [];
    const unreachable = module instanceof HookedSAE ? whyNeverPassed(module.cfg, name) : undefined;
    const info = { name: full, axes, stage: 0 };
    return { info, point: new HookPoint(full, registry), unreachable };
  });
}

/** Runs a module whose points pass values to a visitor, whatever happens. */
function withVisitor<R>(
  module: SpliceableModule,
  visit: (name: string, value: Tensor) => Tensor,
  body: () => R,
): R {
  if (!(module instanceof HookedModule)) return body();
  const points = [...module.hookDict.values()];
  const registry = new HookRegistry();
  for (const point of points) bindPoint(point, registry, (at, value) => visit(at.name, value));
  try {
    return body();
  } finally {
    module.rebindPoints();
  }
}

/** A value with batch and position axes, for modules and hooks of one's own. */
function toGrid({ space }: Tap, point: string, whole: Handle): Handle {
  const grid = core().reshape(
    whole,
    Uint32Array.of(space.batch, space.nPos, ...core().shape_of(whole).subarray(1)),
  );
  return BY_HEAD.test(point) ? core().permute(grid, HEAD_AND_POSITION) : grid;
}

/** The way back: [batch * pos, ...]. */
function fromGrid({ space }: Tap, point: string, value: Handle): Handle {
  const grid = BY_HEAD.test(point) ? core().permute(value, HEAD_AND_POSITION) : value;
  return core().reshape(
    grid,
    Uint32Array.of(space.all.count, ...core().shape_of(grid).subarray(2)),
  );
}

/** Runs a module of one's own on a whole value, checks what comes out, and gives its rows. */
function runModule(
  { module, inName, outName: where }: Splice,
  tap: Tap,
  input: RowValue,
  like: Handle,
): Handle {
  const scope = currentScope();
  if (!scope) throw new HookError(`Cannot run what is spliced in at "${where}" outside a run.`);
  const x = lentTensor(core().share(toGrid(tap, inName, tap.whole(input))), scope);
  let output: unknown;
  try {
    output = module.forward(x);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HookError(`Cannot splice at "${where}": forward() threw: ${reason}`, { cause });
  }
  if (!(output instanceof Tensor)) {
    const got = output instanceof Promise ? "a Promise" : typeof output;
    throw new HookError(
      `Cannot splice at "${where}": forward() returned ${got}, expected a Tensor.`,
    );
  }
  const expected = toGrid(tap, where, like);
  const wanted = Array.from(core().shape_of(expected));
  if (output.shape.join() !== wanted.join()) {
    throw new ShapeError(
      `Cannot splice at "${where}": forward() returned ${
        describeShape(output.shape, [])
      }, expected ${describeShape(wanted, [])}.`,
    );
  }
  if (output.dtype !== "float32") {
    throw new ShapeError(
      `Cannot splice at "${where}": forward() returned ${output}, expected float32.`,
    );
  }
  return fromGrid(tap, where, handleOf(output));
}

/** Runs a module whose points are those of the run. */
function runVisited(splice: Splice, tap: Tap, input: RowValue, like: Handle): Handle {
  const { outName: where } = splice;
  const { all } = tap.space;
  let atPoint: unknown;
  const visit = (point: string, value: Tensor): Tensor => {
    const scope = currentScope();
    const handle = handleOf(value);
    const rows = fromGrid(tap, where, handle);
    try {
      const after = tap.visit({ name: `${where}.${point}`, rows: all, handle: rows });
      return scope ? lentTensor(toGrid(tap, where, tap.whole(after)), scope) : value;
    } catch (error) {
      atPoint = error;
      throw error;
    }
  };
  try {
    return withVisitor(splice.module, visit, () => runModule(splice, tap, input, like));
  } catch (error) {
    // What went wrong at a point of the module isn't the module's fault, and names the point already.
    throw error instanceof HookError && error.cause === atPoint ? atPoint ?? error : error;
  }
}

/** What a module of one's own puts in a value's place. It always computes the whole value: nobody knows which rows it mixes. */
function runCustom(
  splice: Splice,
  errorGrad: ErrorGrad,
  { tap, excluded }: SpliceContext,
  input: RowValue,
  original: RowValue,
): RowValue {
  const { module, outName, useErrorTerm } = splice;
  const like = tap.whole(original);
  const name = `${outName} (spliced)`;
  const all = (handle: Handle): RowValue => ({ name, rows: tap.space.all, handle });
  let output = all(runVisited(splice, tap, input, like));
  if (useErrorTerm) {
    const constant = (value: Handle) => errorGrad === "detach" ? core().detach(value) : value;
    const from = all(constant(tap.whole(input)));
    const clean = withVisitor(
      module,
      (_, value) => value,
      () => runModule(splice, tap, from, like),
    );
    const SUB = 1;
    const error = core().binary(SUB, constant(like), clean);
    const row = core().shape_of(like).subarray(1).reduce((n, m) => n * m, 1);
    output = all(core().merge_error(like, clean, error, output.handle, error, row));
  }
  return atExcluded(tap, excluded, original, output);
}

/** Numbers modules, so that a run's key can name them. */
const identities = new WeakMap<object, number>();
let lastIdentity = 0;

function identityOf(module: SpliceableModule): number {
  const key = module instanceof HookedSAE ? weightsOf(module) : module;
  let identity = identities.get(key);
  if (identity === undefined) identities.set(key, identity = ++lastIdentity);
  return identity;
}

/**
 * Attaches a module.
 *
 * @param registry The hooks of the model that it is attached to.
 * @throws {ConfigError} If it isn't a module with `cfg.hookName` and `forward`.
 */
export function attach(
  module: SpliceableModule,
  registry: HookRegistry,
  options: AttachOptions,
): Splice {
  if (typeof module?.cfg?.hookName !== "string" || typeof module.forward !== "function") {
    throw new ConfigError(
      `Cannot splice ${
        described(module)
      }: expected an SAE, or a module with \`cfg.hookName\` and \`forward(x)\`.${
        module instanceof Promise ? " Loading is awaited: await SAE.fromPretrained(…)." : ""
      }`,
    );
  }
  const { hookName, hookNameOut = hookName } = module.cfg;
  const { excludeSpecialTokens = false, errorGrad = "detach" } = options;
  requireOneOf("Cannot splice with the errorGrad", errorGrad, ["detach", "passthrough"]);
  const useErrorTerm = options.useErrorTerm ??
    (module instanceof HookedSAE ? module.useErrorTerm : false);
  const splice: Splice = {
    module,
    signature: [
      identityOf(module),
      hookName,
      hookNameOut,
      useErrorTerm,
      String(excludeSpecialTokens),
      errorGrad,
    ].join("/"),
    inName: hookName,
    outName: hookNameOut,
    useErrorTerm,
    errorGrad,
    excludeSpecialTokens,
    mixesPositions:
      (module instanceof HookedSAE
        ? SAE_KINDS[module.cfg.architecture].mixesPositions
        : module.mixesPositions) ?? false,
    points: pointsOf(module, hookNameOut, registry),
    run: (context, input, original) => {
      if (!(module instanceof HookedSAE)) {
        return runCustom(splice, errorGrad, context, input, original);
      }
      const { tap, excluded } = context;
      const mode = { useErrorTerm, errorGrad, excluded };
      return spliceSae(module, tap, hookNameOut, input, original, mode);
    },
  };
  return splice;
}
