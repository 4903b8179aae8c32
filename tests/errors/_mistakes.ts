/** Mistakes that people make, and what is said of each. */
import {
  detectHead,
  edits,
  HookedSAETransformer,
  HookedTransformer,
  imshow,
  patching,
  SAE,
  Session,
  setMemoryLimit,
  Tensor,
} from "../../mod.ts";

/** What mistakes are made with. */
export interface Workbench {
  readonly model: HookedSAETransformer;
  readonly sae: SAE;
  /** A folder with nothing in it. */
  readonly folder: string;
}

/** One mistake. */
export interface Mistake {
  readonly what: string;
  readonly make: (bench: Workbench) => unknown;
  /** The error's class and message. */
  readonly says: string;
}

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const Z = "blocks.1.attn.hook_z";
const CODES = `${Z}.hook_sae_acts_post`;
const WIDTHS = { nLayers: 1, dModel: 8, nCtx: 4, dHead: 4, dVocab: 9, actFn: "gelu" } as const;

const keep = () => {};

// deno-lint-ignore no-explicit-any -- A caller without types, in JavaScript or at a prompt.
const loose = (value: unknown): any => value;

function fail(message: string): never {
  throw new Error(message);
}

function keptFromHook(model: HookedSAETransformer): Tensor {
  let kept: Tensor | undefined;
  model.runWithHooks(PROMPT, { fwdHooks: [[Z, (z) => void (kept = z)]] });
  return kept!;
}

function backwardTwice(model: HookedSAETransformer): void {
  const sum = model.forward(PROMPT, { watch: ["hook_embed"] }).sum();
  sum.backward();
  sum.backward();
}

function disposed(): HookedTransformer {
  const model = new HookedTransformer(WIDTHS);
  model[Symbol.dispose]();
  return model;
}

/** The embedded model in a folder, its weights cut off. */
async function brokenModel(folder: string): Promise<HookedTransformer> {
  const files = new URL("../../models/ioi-tiny/model/", import.meta.url);
  const broken = `${folder}/broken`;
  await Deno.mkdir(broken);
  await Deno.copyFile(new URL("config.json", files), `${broken}/config.json`);
  const weights = await Deno.readFile(new URL("model.safetensors", files));
  await Deno.writeFile(`${broken}/model.safetensors`, weights.subarray(0, 100_000));
  return await HookedTransformer.fromPretrained(broken);
}

/** Lends what mistakes are made with. */
export async function withWorkbench(body: (bench: Workbench) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "splicer_mistakes_" });
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  try {
    await body({ model, sae, folder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The mistakes. */
export const MISTAKES: readonly Mistake[] = [
  {
    what: "a typo in a hook's name",
    make: ({ model }) =>
      model.runWithHooks(PROMPT, { fwdHooks: [["blocks.1.attn.hook_zz", keep]] }),
    says:
      'UnknownPointError: There is no hook point "blocks.1.attn.hook_zz". Did you mean "blocks.1.attn.hook_z", "blocks.0.attn.hook_z", "blocks.1.attn.hook_q"?',
  },
  {
    what: "a point of an SAE that isn't spliced in",
    make: ({ model }) => model.runWithHooks(PROMPT, { fwdHooks: [[CODES, keep]] }),
    says:
      'UnknownPointError: There is no hook point "blocks.1.attn.hook_z.hook_sae_acts_post". No SAE is spliced in at "blocks.1.attn.hook_z": pass it as `saes`, or addSae() it first.',
  },
  {
    what: "a short name where a point's is wanted",
    make: ({ model }) => model.runWithHooks(PROMPT, { fwdHooks: [["z", keep]] }),
    says:
      'UnknownPointError: There is no hook point "z". It is the end of 4 names such as "blocks.0.attn.hook_z": utils.getActName("z", layer) gives one.',
  },
  {
    what: "a layer that there isn't",
    make: ({ model }) =>
      model.runWithHooks(PROMPT, { fwdHooks: [["blocks.4.hook_resid_pre", keep]] }),
    says:
      'UnknownPointError: There is no hook point "blocks.4.hook_resid_pre". There is no layer 4: they go from 0 to 3.',
  },
  {
    what: "a negative layer",
    make: ({ model }) => model.runWithCache(PROMPT, { namesFilter: "blocks.-1.hook_resid_pre" }),
    says:
      'UnknownPointError: There is no hook point "blocks.-1.hook_resid_pre". There is no layer -1: they go from 0 to 3.',
  },
  {
    what: "a hook that returns another shape",
    make: ({ model }) =>
      model.runWithHooks(PROMPT, { fwdHooks: [[Z, (z: Tensor) => z.at(":", 0)]] }),
    says:
      'ShapeError: Cannot set "blocks.1.attn.hook_z": hook 1 returned [1, 4, 32], expected [batch 1, pos 15, head 4, dHead 32]',
  },
  {
    what: "a hook that returns a number",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, { fwdHooks: [[Z, () => 0]] }),
    says:
      'HookError: Cannot pass "blocks.1.attn.hook_z": hook 1 returned number, expected a Tensor or nothing.',
  },
  {
    what: "an async hook",
    make: ({ model }) =>
      loose(model).runWithHooks(PROMPT, { fwdHooks: [[Z, async () => await Promise.resolve()]] }),
    says:
      'HookError: Cannot pass "blocks.1.attn.hook_z": hook 1 returned a Promise; hooks are ordinary functions, not async ones.',
  },
  {
    what: "a hook that throws",
    make: ({ model }) => model.runWithHooks(PROMPT, { fwdHooks: [[Z, () => fail("mine")]] }),
    says: 'HookError: Cannot pass "blocks.1.attn.hook_z": hook 1 threw: mine',
  },
  {
    what: "one pair where a list of pairs is wanted",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, { fwdHooks: [Z, keep] }),
    says:
      'HookError: Cannot add "blocks.1.attn.hook_z" as a hook: expected a list of pairs, [[name, hook], …].',
  },
  {
    what: "hooks as a dictionary",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, { fwdHooks: { [Z]: keep } }),
    says: "HookError: Cannot add an object as a hook: expected a list of pairs, [[name, hook], …].",
  },
  {
    what: "a hook that is no function",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, { fwdHooks: [[Z, 3]] }),
    says: 'HookError: Cannot add 3 as a hook at "blocks.1.attn.hook_z": expected a function.',
  },
  {
    what: "hooks by position",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, [[Z, keep]]),
    says: "ConfigError: Cannot run with a list for options: expected { name: value }.",
  },
  {
    what: "keyword arguments in Python's spelling",
    make: ({ model }) => loose(model).runWithHooks(PROMPT, { fwd_hooks: [] }),
    says:
      'ConfigError: Cannot run with the option "fwd_hooks": there is none of this name. "fwdHooks" is an option of runWithHooks().',
  },
  {
    what: "an option of another method",
    make: ({ model }) => loose(model).forward(PROMPT, { fwdHooks: [] }),
    says:
      'ConfigError: Cannot run with the option "fwdHooks": there is none of this name. "fwdHooks" is an option of runWithHooks().',
  },
  {
    what: "names_filter",
    make: ({ model }) => loose(model).runWithCache(PROMPT, { names_filter: "z" }),
    says:
      'ConfigError: Cannot run with the option "names_filter": there is none of this name. "namesFilter" is an option of runWithCache().',
  },
  {
    what: "a typo in namesFilter's name",
    make: ({ model }) => model.runWithCache(PROMPT, { namesFilter: "blocks.0.hook_resid_pr" }),
    says:
      'UnknownPointError: There is no hook point "blocks.0.hook_resid_pr". Did you mean "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"?',
  },
  {
    what: "a returnType that there isn't",
    make: ({ model }) => loose(model).forward(PROMPT, { returnType: "logit" }),
    says:
      'ConfigError: Cannot run with the returnType "logit": expected "logits", "loss", "both", null.',
  },
  {
    what: "kwargs in another case",
    make: ({ model }) => loose(model).toTokens(PROMPT, { prependBOS: true }),
    says:
      'ConfigError: Cannot tokenize with the option "prependBOS": there is none of this name. Did you mean "prependBos"?',
  },
  {
    what: "run_with_cache",
    make: ({ model }) => loose(model).run_with_cache(PROMPT),
    says:
      'TypeError: HookedTransformer has no "run_with_cache": names are camelCase here, "runWithCache".',
  },
  {
    what: "from_pretrained",
    make: () => loose(HookedTransformer).from_pretrained("ioi-tiny"),
    says:
      'TypeError: HookedTransformer has no "from_pretrained": names are camelCase here, "fromPretrained".',
  },
  {
    what: "decompose_resid",
    make: ({ model }) => loose(model.runWithCache(PROMPT)[1]).decompose_resid(),
    says:
      'TypeError: ActivationCache has no "decompose_resid": names are camelCase here, "decomposeResid".',
  },
  {
    what: "model.to(device)",
    make: ({ model }) => loose(model).to("cuda"),
    says:
      'TypeError: HookedTransformer has no "to": it computes on the CPU. Leave the call out; { threads } of fromPretrained takes more of them.',
  },
  {
    what: 'device="cuda"',
    make: () => HookedTransformer.fromPretrained("ioi-tiny", loose({ device: "cuda" })),
    says:
      'ConfigError: Cannot load a model with the option "device": there is none of this name. It computes on the CPU: leave it out.',
  },
  {
    what: "an SAE's device",
    make: () => SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z", loose({ device: "cuda" })),
    says:
      'ConfigError: Cannot load an SAE with the option "device": there is none of this name. It computes on the CPU: leave it out.',
  },
  {
    what: "a position behind the end",
    make: ({ model }) =>
      model.runWithHooks(PROMPT, { fwdHooks: [[Z, (z: Tensor) => z.set([":", 15], 0)]] }),
    says:
      'HookError: Cannot pass "blocks.1.attn.hook_z": hook 1 threw: Index 15 is outside axis 1 of length 15: expected an integer from -15 to 14.',
  },
  {
    what: "an edit's position behind the end",
    make: ({ model }) => model.runWithHooks(PROMPT, { fwdHooks: [[Z, edits.ablate({ pos: 15 })]] }),
    says: "RangeError: Cannot edit position 15: the prompt has 15 positions.",
  },
  {
    what: "a head that there isn't",
    make: ({ model }) => model.runWithHooks(PROMPT, { fwdHooks: [[Z, edits.ablate({ head: 4 })]] }),
    says:
      'HookError: Cannot pass "blocks.1.attn.hook_z": hook 1 threw: Cannot edit head 4 of "blocks.1.attn.hook_z": there are 4, from 0 to 3.',
  },
  {
    what: "a head where there are none",
    make: ({ model }) =>
      model.runWithHooks(PROMPT, {
        fwdHooks: [["blocks.1.hook_resid_pre", edits.ablate({ head: 1 })]],
      }),
    says:
      'HookError: Cannot pass "blocks.1.hook_resid_pre": hook 1 threw: Cannot edit head 1 of "blocks.1.hook_resid_pre": it has no heads.',
  },
  {
    what: "a feature that there isn't",
    make: ({ model, sae }) =>
      model.runWithHooksWithSaes(PROMPT, {
        saes: sae,
        fwdHooks: [[CODES, edits.ablate({ feature: 5000 })]],
      }),
    says:
      'HookError: Cannot pass "blocks.1.attn.hook_z.hook_sae_acts_post": hook 1 threw: Cannot edit feature 5000 of "blocks.1.attn.hook_z.hook_sae_acts_post": there are 1024, from 0 to 1023.',
  },
  {
    what: "an edit's field misspelt",
    make: () => edits.ablate(loose({ features: 3 })),
    says:
      'ConfigError: Cannot make the edit "ablate" with the option "features": there is none of this name. Did you mean "feature"?',
  },
  {
    what: "an edit without what it needs",
    make: () => edits.scale(loose({ feature: 3 })),
    says: "ConfigError: Cannot scale cells by undefined: expected a number.",
  },
  {
    what: "an SAE of another width",
    make: ({ model }) =>
      model.runWithSaes(PROMPT, {
        saes: new SAE({ dSae: 8, dIn: 64, hookName: "blocks.0.hook_resid_pre" }),
      }),
    says:
      'ShapeError: Cannot encode [1, 15, 128] at "blocks.0.hook_resid_pre": expected [..., dIn 64]. Is it an SAE of this model?',
  },
  {
    what: "an SAE of another model's layer",
    make: ({ model }) =>
      model.runWithSaes(PROMPT, {
        saes: new SAE({ dSae: 8, dIn: 128, hookName: "blocks.9.hook_resid_pre" }),
      }),
    says:
      'UnknownPointError: Cannot splice at "blocks.9.hook_resid_pre": the model has no such hook point. Did you mean "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"?',
  },
  {
    what: "an SAE by its name",
    make: ({ model }) => loose(model).runWithSaes(PROMPT, { saes: "ioi-tiny-hook-z" }),
    says:
      'ConfigError: Cannot splice "ioi-tiny-hook-z": expected an SAE, or a module with `cfg.hookName` and `forward(x)`.',
  },
  {
    what: "a missing await",
    make: ({ model, sae }) => loose(model).runWithSaes(PROMPT, { saes: Promise.resolve(sae) }),
    says:
      "ConfigError: Cannot splice a Promise: expected an SAE, or a module with `cfg.hookName` and `forward(x)`. Loading is awaited: await SAE.fromPretrained(…).",
  },
  {
    what: "an SAE where options are wanted",
    make: ({ model, sae }) => loose(model).runWithSaes(PROMPT, [sae]),
    says: "ConfigError: Cannot run with a list for options: expected { name: value }.",
  },
  {
    what: "resetSaes() of a place without one",
    make: ({ model }) => model.resetSaes("blocks.1.hook_z"),
    says: 'UnknownPointError: There is no SAE attached at "blocks.1.hook_z".',
  },
  {
    what: "a text where activations are wanted",
    make: ({ sae }) => loose(sae).encode("John"),
    says: 'ShapeError: Cannot encode "John": expected a Tensor of activations [..., dIn 128].',
  },
  {
    what: "activations of another width",
    make: ({ sae }) => sae.encode(Tensor.zeros([1, 15, 64])),
    says:
      'ShapeError: Cannot encode [1, 15, 64] at "blocks.1.attn.hook_z": expected [..., head × dHead = 128]. Is it an SAE of this model?',
  },
  {
    what: "an answer of several tokens",
    make: ({ model }) => model.toSingleToken("Mary Jones"),
    says: 'TokenError: "Mary Jones" is 4 tokens ["Mary", " J", "on", "es"], expected one',
  },
  {
    what: "an empty prompt",
    make: ({ model }) => model.forward("", { prependBos: false }),
    says:
      'TokenError: Cannot run prompt 0 (""): it has no tokens, wanted at least one; prependBos: true gives it a BOS',
  },
  {
    what: "no prompt",
    make: ({ model }) => model.forward([]),
    says:
      "TokenError: Cannot run an empty prompt: it has no tokens. Prepend the BOS token, or give some text.",
  },
  {
    what: "a prompt that is too long",
    make: ({ model }) => model.forward("a ".repeat(300)),
    says:
      'TokenError: Cannot fit prompt 0 ("a a a a a a a a a a a a a a a a a a a a ...") into the context: it has 302 tokens, the context 128; toTokens() cuts it',
  },
  {
    what: "no input",
    make: ({ model }) => loose(model).forward(undefined),
    says:
      "ShapeError: Cannot run on undefined: expected text, texts, token ids, or a residual stream with startAtLayer.",
  },
  {
    what: "a number for a prompt",
    make: ({ model }) => loose(model).forward(42),
    says:
      "ShapeError: Cannot run on 42: expected text, texts, token ids, or a residual stream with startAtLayer.",
  },
  {
    what: "token ids as big integers",
    make: ({ model }) => loose(model).forward([1n, 2n]),
    says:
      "ShapeError: Cannot make a tensor of 1: expected numbers or booleans, nested arrays of them, or a typed array.",
  },
  {
    what: "texts in a list too many",
    make: ({ model }) => loose(model).forward([["When", "John"]]),
    says:
      'ShapeError: Cannot make a tensor of "When": expected numbers or booleans, nested arrays of them, or a typed array.',
  },
  {
    what: "tokens of another model",
    make: ({ model }) => model.forward([[5000]]),
    says: "TokenError: Cannot embed token 5000: the vocabulary has ids from 0 to 2047.",
  },
  {
    what: "ragged tokens",
    make: ({ model }) => model.forward([[1, 2], [3]]),
    says:
      "ShapeError: Cannot make a tensor from nested arrays: the first entries have shape [2, 2], others differ.",
  },
  {
    what: "float64",
    make: () => loose(Tensor).from([1, 2], undefined, "float64"),
    says:
      'ShapeError: Cannot make a tensor of dtype "float64": expected "float32", "int32", "bool".',
  },
  {
    what: "a clean run of another batch",
    make: ({ model }) =>
      patching.getActPatchResidPre(
        model,
        model.toTokens(PROMPT),
        model.runWithCache(["When Tom", "When Dan"])[1],
        (logits) => logits.at(0, -1, 0),
      ),
    says:
      'ShapeError: Cannot patch "blocks.0.hook_resid_pre" from a value of shape [2, 3, 128]: expected [batch 1, pos 15, dModel 128], or batch 1.',
  },
  {
    what: "a metric that isn't a number",
    make: ({ model }) =>
      patching.getActPatchResidPre(
        model,
        model.toTokens(PROMPT),
        model.runWithCache(PROMPT)[1],
        (logits) => logits,
      ),
    says:
      "ShapeError: Cannot patch: the metric gave Tensor(float32[1, 15, 2048]), expected one number.",
  },
  {
    what: "a layer of a cache that there isn't",
    make: ({ model }) => model.runWithCache(PROMPT)[1].get("z", 9),
    says:
      'UnknownPointError: The cache has no "blocks.9.attn.hook_z". Did you mean "blocks.0.attn.hook_z", "blocks.1.attn.hook_z", "blocks.2.attn.hook_z"?',
  },
  {
    what: "an activation that the filter left out",
    make: ({ model }) => model.runWithCache(PROMPT, { namesFilter: "hook_embed" })[1].get("z", 1),
    says:
      'UnknownPointError: The cache has no "blocks.1.attn.hook_z": the run didn\'t keep it, by its `namesFilter`, or didn\'t pass it. It holds "hook_embed".',
  },
  {
    what: "a layer of the stream behind the last",
    make: ({ model }) => model.runWithCache(PROMPT)[1].accumulatedResid(9),
    says:
      "RangeError: There is no layer 9: expected a whole number from 0 to 4, or -1 for the last.",
  },
  {
    what: "stopAtLayer as a text",
    make: ({ model }) => loose(model).forward(PROMPT, { stopAtLayer: "1" }),
    says: 'ConfigError: Cannot run with stopAtLayer "1": expected a whole number.',
  },
  {
    what: "logits of a position behind the end",
    make: ({ model }) => model.forward(PROMPT, { logitsAt: [15] }),
    says:
      'RangeError: Cannot unembed position 15 of 15: expected "all", or whole numbers from -15 to 14.',
  },
  {
    what: "an index off by one",
    make: ({ model }) => model.forward(PROMPT).at(0, 15),
    says:
      "RangeError: Index 15 is outside axis 1 of length 15: expected an integer from -15 to 14.",
  },
  {
    what: "an index for an axis too many",
    make: ({ model }) => model.forward(PROMPT).at(0, 1, 2, 3),
    says: "ShapeError: Cannot index a tensor of shape [1, 15, 2048]: 4 axes are indexed.",
  },
  {
    what: "a slice backwards",
    make: ({ model }) => model.forward(PROMPT).at("::-1"),
    says: 'ShapeError: Cannot index axis 0 with "::-1": steps are positive.',
  },
  {
    what: "item() of many",
    make: ({ model }) => model.forward(PROMPT).item(),
    says:
      "ShapeError: Cannot take item() of a tensor of shape [1, 15, 2048]: it has 30720 elements.",
  },
  {
    what: "matrices that don't meet",
    make: () => Tensor.ones([2, 3]).matmul(Tensor.ones([2, 3])),
    says:
      "ShapeError: Cannot multiply [2, 3] and [2, 3]: rows of 3 meet columns of 2, wanted equal lengths",
  },
  {
    what: "shapes that don't broadcast",
    make: () => Tensor.ones([2, 3]).add(Tensor.ones([4])),
    says:
      "ShapeError: Cannot apply add to [2, 3] and [4]: axis -1 is 3 in one and 4 in the other, wanted equal lengths or a 1",
  },
  {
    what: "set() without a list",
    make: () => loose(Tensor.zeros([2, 3])).set(0, 1),
    says: 'ShapeError: Cannot set a region given by 0: expected a list such as [":", 10].',
  },
  {
    what: "a value that doesn't fit its region",
    make: () => Tensor.zeros([2, 3]).set([":", 0], Tensor.ones([3])),
    says:
      "ShapeError: Cannot set a region of shape [2] to a value of shape [3]: it doesn't broadcast",
  },
  {
    what: "a lent tensor kept",
    make: ({ model }) => keptFromHook(model).sum(),
    says:
      "BorrowedTensorError: Cannot read a borrowed tensor of shape [1, 15, 4, 32]: its run has ended. In the hook, keep act.clone() or act.detach() instead of act.",
  },
  {
    what: "backward() of what nothing watches",
    make: ({ model }) => model.forward(PROMPT).sum().backward(),
    says:
      "GradientError: Cannot walk back: nothing that led to this value was watched. Add a bwd hook, name points in `watch`, or set requiresGrad on a tensor before the run.",
  },
  {
    what: "backward() twice",
    make: ({ model }) => backwardTwice(model),
    says:
      "GradientError: Cannot walk back: the recording that led to this value is gone (backward() ran already, or the tapes were released). Pass { retainGraph: true } to the first backward().",
  },
  {
    what: "backward() of many numbers",
    make: ({ model }) => model.forward(PROMPT, { watch: ["hook_embed"] }).backward(),
    says:
      "ShapeError: Cannot start a backward pass from shape [1, 15, 2048]: reduce it to a scalar, e.g. with sum().",
  },
  {
    what: "fold_ln",
    make: () => HookedTransformer.fromPretrained("ioi-tiny", loose({ fold_ln: false })),
    says:
      'ConfigError: Cannot load a model with the option "fold_ln": there is none of this name. Did you mean "foldLn"?',
  },
  {
    what: "a dtype of torch's",
    make: () => HookedTransformer.fromPretrained("ioi-tiny", loose({ dtype: "torch.float16" })),
    says:
      'ConfigError: Cannot load with the dtype "torch.float16": expected "auto", "float32", "float16", "bfloat16", "int8".',
  },
  {
    what: "a typo in a model's name",
    make: () => HookedTransformer.fromPretrained("gpt2-smal"),
    says:
      'UnknownPointError: There is no model "gpt2-smal". The nearest are "gpt2-small", "gpt2-xl", "opt-small". For a model in a folder, give its path ("./gpt2-smal") or URL.',
  },
  {
    what: "a model of an unsupported family",
    make: () => HookedTransformer.fromPretrained("bert-base-cased"),
    says:
      'ConfigError: Cannot load "bert-base-cased", which is google-bert/bert-base-cased: models of the family BERT aren\'t supported.',
  },
  {
    what: "a folder without config.json",
    make: ({ folder }) => HookedTransformer.fromPretrained(folder),
    says:
      'WeightFileError: Cannot load a model from FOLDER: there is no "config.json". Expected a folder in Hugging Face\'s layout, with config.json, weights and tokenizer.json.',
  },
  {
    what: "an SAE without its id",
    make: () => loose(SAE).fromPretrained("ioi-tiny-hook-z"),
    says:
      'UnknownPointError: Cannot load undefined of the SAE release "ioi-tiny-hook-z": expected an SAE\'s id, such as "blocks.0.hook_z", "blocks.1.hook_z", "blocks.2.hook_z".',
  },
  {
    what: "a hook's name for an SAE's id",
    make: () => SAE.fromPretrained("gpt2-small-hook-z-kk", "blocks.5.attn.hook_z"),
    says:
      'UnknownPointError: The SAE release "gpt2-small-hook-z-kk" has no "blocks.5.attn.hook_z". Did you mean "blocks.5.hook_z", "blocks.0.hook_z", "blocks.1.hook_z"?',
  },
  {
    what: "a typo in a release's name",
    make: () => SAE.fromPretrained("gpt2-small-hook-z", "blocks.1.hook_z"),
    says:
      'UnknownPointError: There is no SAE release "gpt2-small-hook-z". Did you mean "gpt2-small-hook-z-kk", "gpt2-small-res-jb", "gpt2-small-mlp-tm"? For SAEs in a folder of your own, use SAE.fromDisk(folder); for a repository of the hub, its id "owner/name".',
  },
  {
    what: "a folder without an SAE",
    make: ({ folder }) => SAE.fromDisk(`${folder}/sae`),
    says:
      'WeightFileError: Cannot tell the format of the SAE "sae" in FOLDER/: pass { format }, one of "sae_lens", "connor_rob_hook_z", "gemma_2", "gemma_2_transcoder", "gemma_3", "llama_scope", "llama_scope_r1_distill", "dictionary_learning", "dictionary_learning_1", "qwen_scope", "sparsify", "mwhanna_transcoder", "mntss_clt_layer_transcoder", "goodfire", "deepseek_r1" or "temporal". SAELens\' folders hold "cfg.json" and "sae_weights.safetensors": is the path right?',
  },
  {
    what: "an SAE's config in Python's spelling",
    make: () => new SAE(loose({ d_sae: 8, d_in: 128, hook_name: "hook_embed" })),
    says:
      'ConfigError: Cannot use the SAE config of a new SAE: names are camelCase here, "d_sae" is "dSae", "d_in" is "dIn", "hook_name" is "hookName"',
  },
  {
    what: "a topk SAE without k",
    make: () => new SAE({ dSae: 8, dIn: 128, hookName: "hook_embed", architecture: "topk" }),
    says:
      "ConfigError: Cannot use the SAE config of a new SAE: k is missing, wanted a positive integer",
  },
  {
    what: "a model's config in Python's spelling",
    make: () => new HookedTransformer(loose({ n_layers: 1, d_model: 8, n_ctx: 4 })),
    says:
      'ConfigError: Cannot make a configuration: "n_layers" isn\'t a field (the nearest is "nLayers"); "d_model" isn\'t a field (the nearest is "dModel"); "n_ctx" isn\'t a field (the nearest is "nCtx"); nLayers, dModel, nCtx, dVocab, nHeads (or dHead), actFn (or attnOnly) must be given',
  },
  {
    what: "an activation function misspelt",
    make: () => new HookedTransformer(loose({ ...WIDTHS, actFn: "gelu-new" })),
    says:
      'ConfigError: Cannot make a configuration: actFn is "gelu-new", wanted one of "relu", "gelu", "silu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "tanh", "solu", "solu_ln", or null',
  },
  {
    what: "a model too big for memory",
    make: () => new HookedTransformer({ ...WIDTHS, nLayers: 48, dModel: 8192, dVocab: 50_000 }),
    says:
      'MemoryBudgetError: Out of memory budget: the weights of custom take at least 78947876864 bytes, N are in use and the budget is 4294967296. Take fewer layers ({ firstNLayers }), 16 bits or eight ({ dtype: "bfloat16" }, { dtype: "int8" }), or give it more (setMemoryLimit, at most 4 GiB).',
  },
  {
    what: "a memory limit as a text",
    make: () => loose({ setMemoryLimit }).setMemoryLimit("1GB"),
    says: 'ConfigError: Cannot set a memory limit of "1GB": expected a number of bytes, 0 or more.',
  },
  {
    what: "max_new_tokens",
    make: ({ model }) => loose(model).generate(PROMPT, { max_new_tokens: 3 }),
    says:
      'ConfigError: Cannot generate with the option "max_new_tokens": there is none of this name. Did you mean "maxNewTokens"?',
  },
  {
    what: "a temperature below zero",
    make: ({ model }) => model.generate(PROMPT, { temperature: -1 }),
    says: "ConfigError: Cannot sample with temperature -1: expected a number of at least 0.",
  },
  {
    what: "more tokens than the context holds",
    make: ({ model }) => model.generate(PROMPT, { maxNewTokens: 500 }),
    says: "TokenError: Cannot generate 500 tokens after 15: the context of ioi-tiny holds 128.",
  },
  {
    what: "an edit by its kind alone",
    make: ({ model }) => loose(model.session(PROMPT)).edit(Z, "ablate"),
    says: 'ConfigError: Cannot add "ablate": expected an edit or a function.',
  },
  {
    what: "a metric by its name",
    make: ({ model }) => loose(model).session(PROMPT, { metric: "logitDiff" }),
    says: 'ConfigError: Cannot measure "logitDiff": expected a metric or a function.',
  },
  {
    what: "a stored session that is none",
    make: () => Session.load(loose({ hello: 1 })),
    says:
      'ConfigError: Cannot load an object as a session: expected { format: "splicer session", … }.',
  },
  {
    what: "an axis that a sweep doesn't know",
    make: ({ model }) =>
      loose(model).sweep(PROMPT, {
        at: "z",
        over: { position: [1] },
        metric: (l: Tensor) => l.at(0, -1, 0),
      }),
    says:
      'ConfigError: Cannot sweep over "position": expected "layer", "pos", "feature", "head", "dest", "src".',
  },
  {
    what: "an edit that a sweep doesn't know",
    make: ({ model }) =>
      loose(model).sweep(PROMPT, {
        at: "z",
        over: { layer: [1] },
        edit: "zero",
        metric: (l: Tensor) => l.at(0, -1, 0),
      }),
    says:
      'ConfigError: Cannot sweep with the edit "zero": expected "ablate", a number, { scale }, { patch }, an edit or a function.',
  },
  {
    what: "a sweep without a metric",
    make: ({ model }) => loose(model).sweep(PROMPT, { at: "z", over: { layer: [1] } }),
    says:
      "ConfigError: Cannot sweep with the metric undefined: expected a function of the logits, (logits) => Tensor.",
  },
  {
    what: "a direction misspelt",
    make: ({ model }) => loose(model).addHook("hook_embed", keep, "forward"),
    says: 'ConfigError: Cannot add a hook for the direction "forward": expected "fwd", "bwd".',
  },
  {
    what: "a permanent hook in Python's spelling",
    make: ({ model }) => loose(model).addHook("hook_embed", keep, "fwd", { is_permanent: true }),
    says:
      'ConfigError: Cannot add a hook with the option "is_permanent": there is none of this name. Did you mean "isPermanent"?',
  },
  {
    what: "a vector where a matrix is drawn",
    make: () => imshow(Tensor.ones([3])),
    says:
      "ShapeError: Cannot show data of shape [3] as heat maps, expected [row, column], none empty, or three axes with facetCol to say which one counts the facets",
  },
  {
    what: "a plot's option in Python's spelling",
    make: () => imshow(Tensor.ones([3, 3]), loose({ color_continuous_scale: "RdBu" })),
    says:
      'ConfigError: Cannot plot with the option "color_continuous_scale": there is none of this name. Did you mean "colorContinuousScale"?',
  },
  {
    what: "a picture of a kind that there isn't",
    make: ({ folder }) => imshow(Tensor.ones([3, 3])).save(`${folder}/x.gif`),
    says: 'ConfigError: Cannot save "FOLDER/x.gif": expected a name in .html, .svg or .png',
  },
  {
    what: "a head's pattern misspelt",
    make: ({ model }) => detectHead(model, PROMPT, loose("induction")),
    says:
      'ConfigError: Cannot detect "induction": expected a pattern, or one of "previous_token_head", "duplicate_token_head", "induction_head".',
  },
  {
    what: "weights cut off",
    make: ({ folder }) => brokenModel(folder),
    says:
      'WeightFileError: Cannot read "model.safetensors": tensor "transformer.h.0.attn.c_attn.weight" ends at byte 99072, but only 95008 follow the header',
  },
  {
    what: "text for a model without a tokenizer",
    make: () => new HookedTransformer(WIDTHS).forward("text"),
    says:
      "TokenError: Cannot run on text: the model has no tokenizer. Load it with one, or pass token ids.",
  },
  {
    what: "no threads",
    make: () => HookedTransformer.fromPretrained("ioi-tiny", { threads: 0 }),
    says:
      'ConfigError: Cannot load with threads 0: expected "auto" or a whole number from 1 to 64.',
  },
  {
    what: "more layers than there are",
    make: () => HookedTransformer.fromPretrained("ioi-tiny", { firstNLayers: 9 }),
    says:
      "ConfigError: Cannot load the model: firstNLayers is 9, wanted 1 to 4, the layers that it has",
  },
  {
    what: "padding on both sides",
    make: ({ model }) => loose(model).toTokens(["a b", "c"], { paddingSide: "both" }),
    says: 'ConfigError: Cannot pad on the side "both": expected "left", "right".',
  },
  {
    what: "a token that doesn't occur",
    make: ({ model }) => model.getTokenPosition(" Sid", PROMPT),
    says:
      'TokenError: Cannot find the token " Sid" (id 596): it doesn\'t occur in "<|endoftext|>When John and Mary went to the shops, John gave the bag to"',
  },
  {
    what: "a disposed model",
    make: () => disposed().forward([[1]]),
    says: "ConfigError: Cannot run custom: the model was disposed.",
  },
  {
    what: "gradients of integers",
    make: () => void (Tensor.from([1, 2], undefined, "int32").requiresGrad = true),
    says:
      "GradientError: Cannot ask for gradients of a tensor of dtype int32: only float32 has them.",
  },
];
