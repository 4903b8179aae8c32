/**
 * Splices made of SAEs and of modules of one's own.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, HookError, ShapeError } from "../core/errors.ts";
import { currentScope } from "../core/scope.ts";
import { handleOf, lentTensor, Tensor } from "../core/tensor.ts";
import { HookPoint } from "../hooks/hook_point.ts";
import { HookRegistry } from "../hooks/hook_registry.ts";
import { HookedModule } from "../hooks/hooked_root.ts";
import { describeShape, type PointInfo } from "../hooks/points.ts";
import { HookedSAE } from "../sae/hooked_sae.ts";
import type { Splice, SpliceContext } from "./splice.ts";

/** Anything that can be spliced in: it says where, and turns a value into another of its shape. */
export interface SpliceableModule {
  readonly cfg: { readonly hookName: string; readonly hookNameOut?: string };
  forward(x: Tensor): Tensor;
}

/** How a module is attached. */
export interface AttachOptions {
  /** Adds what the module's output misses, so that only edits have an effect. An SAE's own flag unless said. */
  useErrorTerm?: boolean;
  /** Tokens at which the value passes unchanged: the tokenizer's special ones, or these ids. */
  excludeSpecialTokens?: boolean | readonly number[];
}

interface SplicePoint {
  readonly info: PointInfo;
  readonly point: HookPoint;
}

/** The module's points under the names that they have in the model. */
function pointsOf(module: SpliceableModule, prefix: string, registry: HookRegistry): SplicePoint[] {
  if (!(module instanceof HookedModule)) return [];
  return [...module.hookDict.keys()].map((name) => {
    const full = `${prefix}.${name}`;
    return { info: { name: full, axes: [], stage: 0 }, point: new HookPoint(full, registry) };
  });
}

/** Runs a module whose points pass values to a visitor, whatever happens. */
function withVisitor<R>(module: SpliceableModule, visit: (name: string, value: Tensor) => Tensor, body: () => R): R {
  if (!(module instanceof HookedModule)) return body();
  const points = [...module.hookDict.values()];
  const registry = new HookRegistry();
  for (const point of points) point.bind(registry, (at, value) => visit(at.name, value));
  try {
    return body();
  } finally {
    module.rebindPoints();
  }
}

/** Runs a module of one's own on a value and checks what comes out. */
function runModule(module: SpliceableModule, where: string, input: Handle): Handle {
  const scope = currentScope();
  if (!scope) throw new HookError(`Cannot run what is spliced in at "${where}" outside a run.`);
  const x = lentTensor(core().share(input), scope);
  let output: unknown;
  try {
    output = module.forward(x);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HookError(`Cannot splice at "${where}": forward() threw: ${reason}`, { cause });
  }
  if (!(output instanceof Tensor)) {
    const got = output instanceof Promise ? "a Promise" : typeof output;
    throw new HookError(`Cannot splice at "${where}": forward() returned ${got}, expected a Tensor.`);
  }
  return handleOf(output);
}

function requireShape(output: Handle, original: Handle, where: string): Handle {
  const [got, wanted] = [core().shape_of(output), core().shape_of(original)].map((shape) => Array.from(shape));
  if (got.join() === wanted.join()) return output;
  throw new ShapeError(
    `Cannot splice at "${where}": forward() returned ${describeShape(got, [])}, expected ${describeShape(wanted, [])}.`,
  );
}

/** What a module of one's own puts in a value's place. */
function runCustom(module: SpliceableModule, splice: Splice, context: SpliceContext, input: Handle, original: Handle): Handle {
  const { tap, excluded } = context;
  const { outName, useErrorTerm } = splice;
  const visited = withVisitor(
    module,
    (name, value) => {
      const scope = currentScope();
      const handle = tap.visit(`${outName}.${name}`, handleOf(value));
      return scope ? lentTensor(handle, scope) : value;
    },
    () => requireShape(runModule(module, outName, input), original, outName),
  );
  let output = visited;
  if (useErrorTerm) {
    const clean = withVisitor(
      module,
      (_, value) => value,
      () => runModule(module, outName, core().detach(input)),
    );
    const SUB = 1;
    const error = core().binary(SUB, core().detach(original), clean);
    const row = core().shape_of(original).subarray(2).reduce((n, m) => n * m, 1);
    output = core().merge_error(original, clean, error, visited, error, row);
  }
  if (!excluded) return output;
  const [batch, pos] = core().shape_of(excluded);
  const trailing = core().shape_of(original).length - 2;
  const flags = core().reshape(excluded, Uint32Array.of(batch, pos, ...Array<number>(trailing).fill(1)));
  return core().select_where(flags, original, output);
}

/**
 * Attaches a module.
 *
 * @param registry The hooks of the model that it is attached to.
 * @throws {ConfigError} If it isn't a module with `cfg.hookName` and `forward`.
 */
export function attach(module: SpliceableModule, registry: HookRegistry, options: AttachOptions): Splice {
  if (typeof module?.cfg?.hookName !== "string" || typeof module.forward !== "function") {
    throw new ConfigError("Cannot splice: expected an SAE, or a module with `cfg.hookName` and `forward(x)`.");
  }
  const { hookName, hookNameOut = hookName } = module.cfg;
  const { excludeSpecialTokens = false } = options;
  const own = module instanceof HookedSAE ? module.useErrorTerm : false;
  const splice: Splice = {
    module,
    inName: hookName,
    outName: hookNameOut,
    useErrorTerm: options.useErrorTerm ?? own,
    excludeSpecialTokens,
    points: pointsOf(module, hookNameOut, registry),
    run: (context, input, original) => {
      if (!(module instanceof HookedSAE)) return runCustom(module, splice, context, input, original);
      const { tap, excluded, errorGrad } = context;
      const mode = { useErrorTerm: splice.useErrorTerm, errorGrad, excluded };
      return module.splice(tap, hookNameOut, input, original, mode);
    },
  };
  return splice;
}
