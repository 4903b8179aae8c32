/**
 * Runs one loop a thousand times without a pause for the garbage collector and prints the core's memory after the first times, after
 * all, and once the model and its SAEs are disposed. The argument names the loop.
 */

import { HookedSAETransformer, memoryUsage, SAE, Tensor } from "../../mod.ts";

const N_TIMES = 1000;

/** Times after which the core's allocator has settled. */
const N_FIRST = 20;

const POINT = "blocks.2.attn.hook_z";
const CODES = `${POINT}.hook_sae_acts_post`;

const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
const sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.2.hook_z");
const tokens = model.toTokens("When John and Mary went to the shops,");

/** A hook that keeps what it was lent, as it shouldn't. */
const hoard: Tensor[] = [];

function ablate(feature: number, input: Tensor): number {
  const logits = model.runWithHooksWithSaes(input, {
    saes: sae,
    fwdHooks: [[CODES, (codes) => {
      hoard.push(codes);
      codes.set([":", -1, feature], 0);
    }]],
  });
  return logits.at(0, -1, 0).item();
}

function attribute(errorGrad: "detach" | "passthrough"): number {
  let total = 0;
  using _hooks = model.hooks({
    bwdHooks: [["blocks.0.hook_resid_pre", (gradient) => {
      total += gradient.abs().sum().item();
    }]],
  });
  const [loss, cache] = model.runWithCacheWithSaes(tokens, {
    saes: sae,
    useErrorTerm: true,
    errorGrad,
    returnType: "loss",
    watch: [POINT, CODES],
    namesFilter: [POINT, CODES],
  });
  loss.backward();
  return total + (cache.get(CODES).grad?.sum().item() ?? NaN);
}

const other = (i: number) =>
  Tensor.from(Int32Array.from(tokens.data(), (id) => (id + i) % 2048), tokens.shape);

/** What is repeated, by name. */
const LOOPS: Record<string, (i: number) => unknown> = {
  "runs with hooks and SAEs": (i) => ablate(i % 1024, tokens),
  "runs of ever new tokens": (i) => ablate(i % 1024, other(i)),
  "forward and backward passes": (i) => attribute(i % 2 === 0 ? "detach" : "passthrough"),
  "forward and backward passes without a base run": (i) => {
    model.keepBase = false;
    return attribute(i % 2 === 0 ? "detach" : "passthrough");
  },
  "cached gradients": () => model.runWithCache(tokens, { returnType: "loss", inclBwd: true }),
  "generations": (i) =>
    model.generate(tokens, {
      maxNewTokens: 1 + i % 2,
      verbose: false,
      saes: i % 3 ? sae : [],
      fwdHooks: [[POINT, (z) => void hoard.push(z)]],
      namesFilter: POINT,
    }),
  "runs that throw": () => {
    try {
      model.runWithHooks(tokens, {
        fwdHooks: [[POINT, () => {
          throw new RangeError("stop");
        }]],
        watch: ["hook_embed"],
      });
    } catch {
      return;
    }
  },
};

const loop = LOOPS[Deno.args[0]];
// The first times also make what every later one finds: the base run, and a workspace cut so that the largest run fits.
for (let i = 0; i < N_FIRST; i++) loop(i);
const first = memoryUsage();
for (let i = N_FIRST; i < N_TIMES; i++) loop(i);
const last = memoryUsage();
for (const resource of [model, sae]) resource[Symbol.dispose]();
console.log(JSON.stringify({ first, last, disposed: memoryUsage() }));
