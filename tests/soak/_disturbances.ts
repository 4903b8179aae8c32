/** What goes wrong, or is done wrongly, and must leave no trace. */

import { assert, assertEquals } from "@std/assert";
import {
  BorrowedTensorError,
  ConfigError,
  HookError,
  MemoryBudgetError,
  memoryUsage,
  setMemoryLimit,
  ShapeError,
  type Tensor,
  TokenError,
  UnknownPointError,
  WeightFileError,
} from "../../mod.ts";
import {
  below,
  editablePoints,
  pick,
  type Random,
  randomTokens,
} from "../invariants/_random_runs.ts";
import { makeSetting, type Setting } from "./_settings.ts";

/** Does something to a setting that ends in an error, which it checks. */
export type Disturbance = (setting: Setting, random: Random) => Promise<void> | void;

/** What something throws. */
async function thrown(body: () => unknown): Promise<unknown> {
  try {
    await body();
  } catch (error) {
    return error;
  }
  throw new Error("It should have thrown, and went through.");
}

function assertKind(error: unknown, ...kinds: readonly (new () => Error)[]): void {
  if (kinds.some((kind) => error instanceof kind)) return;
  throw new Error(`It should have thrown ${kinds.map(({ name }) => name).join(" or ")}.`, {
    cause: error,
  });
}

const STOP = new RangeError("stop");

function stop(): never {
  throw STOP;
}

/** A hook that throws somewhere: in a plain run, one with a cache, one that is recorded. */
async function throwingHook({ model, saes }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const names = editablePoints(model, saes, /hook_sae_error$/);
  const fwdHooks = [[pick(random, names), stop]] as const;
  const options = { saes, fwdHooks };
  const error = await thrown(pick(random, [
    () => model.runWithHooksWithSaes(tokens, options),
    () => model.runWithHooksWithSaes(tokens, { ...options, watch: "hook_embed" }),
    () => {
      using _saes = model.saes(saes);
      using _hooks = model.hooks({ fwdHooks });
      model.runWithCache(tokens);
    },
    () => model.generate(tokens, { ...options, maxNewTokens: 2, stopAtEos: false }),
    () =>
      model.session(tokens, { saes }).within((model) => model.runWithHooks(tokens, { fwdHooks })),
  ]));
  assertKind(error, HookError);
  assertEquals((error as HookError).cause, STOP);
}

/** A hook that throws on the way back. */
async function throwingGradient({ model }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const loss = model.runWithHooks(tokens, {
    returnType: "loss",
    bwdHooks: [["blocks.1.hook_resid_mid", stop]],
  });
  assertKind(await thrown(() => loss.backward()), HookError);
  model.releaseTapes();
}

/** A recording whose backward pass never comes. */
function forgottenRecording({ model }: Setting, random: Random): void {
  const { tokens } = randomTokens(random);
  model.forward(tokens, { returnType: "loss", watch: "blocks.0.hook_resid_pre" });
  model.releaseTapes();
}

/** Hooks that give something else than they may. */
async function misshapenHook({ model }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const run = (hook: (act: Tensor) => unknown) => () =>
    model.runWithHooks(tokens, { fwdHooks: [["blocks.1.hook_mlp_out", hook as () => void]] });
  assertKind(await thrown(run((act) => act.at(0))), ShapeError);
  assertKind(await thrown(run((act) => Promise.resolve(act))), HookError);
  assertKind(await thrown(run(() => 5)), ShapeError, HookError);
}

/** Input that no run takes. */
async function badInput({ model, saes }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const elsewhere = { cfg: { hookName: "blocks.9.hook_z" }, forward: (x: Tensor) => x };
  const runs: [() => unknown, new () => Error][] = [
    [
      () => model.runWithHooks(tokens, { fwdHooks: [["blocks.7.nowhere", stop]] }),
      UnknownPointError,
    ],
    [() => model.runWithSaes(tokens, { saes: [...saes, elsewhere] }), UnknownPointError],
    [() => model.runWithCache(tokens, { namesFilter: "hook_nowhere" }), UnknownPointError],
    [() => model.forward([Array<number>(model.cfg.nCtx + 1).fill(1)]), TokenError],
    [() => model.forward([[model.cfg.dVocab]]), TokenError],
  ];
  const [run, kind] = pick(random, runs);
  assertKind(await thrown(run), kind);
}

/** A sweep that is stopped on its way. */
async function abortedSweep({ model, saes }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const controller = new AbortController();
  const after = 1 + below(random, 3);
  const error = await thrown(() =>
    model.sweep(tokens, {
      saes: saes.slice(0, 2),
      at: "blocks.1.hook_mlp_out",
      over: { feature: [0, 1, 2, 3, 0] },
      metric: (logits) => logits.at(":", -1, 0),
      // A chunk a variant.
      budgetBytes: 1,
      signal: controller.signal,
      onProgress: ({ done }) => {
        if (done >= after) controller.abort(STOP);
      },
    })
  );
  assertEquals(error, STOP);
}

/** A load that is stopped on its way. */
async function abortedLoad(_: Setting, random: Random): Promise<void> {
  const controller = new AbortController();
  let left = below(random, 8);
  if (left === 0) controller.abort(STOP);
  const onProgress = () => {
    if (--left === 0) controller.abort(STOP);
  };
  const { signal } = controller;
  try {
    using _setting = await makeSetting("embedded", { signal, onProgress, threads: "auto" });
  } catch (error) {
    assertEquals(error, STOP);
  }
}

/** A run that doesn't fit the budget. */
async function refusedRun({ model, saes }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  setMemoryLimit(memoryUsage().liveBytes + below(random, 200_000));
  try {
    const error = await thrown(() => {
      model.runWithHooksWithSaes(tokens, {
        saes,
        fwdHooks: [["blocks.1.hook_mlp_out", (act) => act.mul(2)]],
      });
      // It may fit.
      throw new MemoryBudgetError();
    });
    assertKind(error instanceof HookError ? error.cause : error, MemoryBudgetError);
  } finally {
    setMemoryLimit(Infinity);
  }
}

/** A load that doesn't fit the budget. */
async function refusedLoad(_: Setting, random: Random): Promise<void> {
  // Less than it takes alone: what waits for the garbage collector may go meanwhile.
  setMemoryLimit(below(random, 9_000_000));
  try {
    assertKind(await thrown(() => makeSetting("embedded", { threads: "auto" })), MemoryBudgetError);
  } finally {
    setMemoryLimit(Infinity);
  }
}

/** A stream of text in which a hook throws. */
async function throwingStream({ model }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  let left = 1 + below(random, 3);
  const error = await thrown(async () => {
    const stream = model.generateStream(tokens, {
      maxNewTokens: 4,
      stopAtEos: false,
      seed: 1,
      fwdHooks: [["blocks.1.hook_attn_out", () => {
        if (left-- === 0) stop();
      }]],
    });
    for await (const _step of stream);
  });
  assertKind(error, HookError);
}

/** A tensor that a hook was lent and kept. */
async function keptTensor({ model }: Setting, random: Random): Promise<void> {
  const { tokens } = randomTokens(random);
  const kept: Tensor[] = [];
  model.runWithHooks(tokens, {
    fwdHooks: [["blocks.1.hook_mlp_out", (act) => void kept.push(act)]],
  });
  assertKind(await thrown(() => kept[0].sum()), BorrowedTensorError);
}

/** A model and SAEs that were given back. */
async function disposedParts(_: Setting, random: Random): Promise<void> {
  const { model, saes, ...setting } = await makeSetting(below(random, 1000));
  const { tokens } = randomTokens(random);
  const logits = model.forward(tokens);
  const session = model.session(tokens, { saes });
  setting[Symbol.dispose]();
  const uses = [
    () => model.forward(tokens),
    () => model.runWithSaes(tokens, { saes }),
    () => model.generate(tokens, { maxNewTokens: 2, stopAtEos: false }),
    () => model.W_E,
    () => saes[0].forward(logits.at(":", ":", ":4")),
    () => session.run().logits.data(),
    () => model.sweep(tokens, { at: "hook_embed", over: { pos: [0] }, metric: (x) => x.sum() }),
  ];
  for (const use of uses) assertKind(await thrown(use), ConfigError, WeightFileError);
  // What was begun before it was given back is no trap either.
  try {
    assert(logits.data().length > 0);
  } catch (error) {
    assertKind(error, ConfigError, WeightFileError);
  }
  // Twice is once.
  setting[Symbol.dispose]();
}

/** The disturbances by name. */
export const DISTURBANCES: Readonly<Record<string, Disturbance>> = {
  throwingHook,
  throwingGradient,
  forgottenRecording,
  misshapenHook,
  badInput,
  abortedSweep,
  abortedLoad,
  refusedRun,
  refusedLoad,
  throwingStream,
  keptTensor,
  disposedParts,
};
