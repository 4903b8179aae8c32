import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ConfigError,
  type HookedSAE,
  HookedSAETransformer,
  HookedTransformer,
  memoryUsage,
  SAE,
  ShapeError,
  Tensor,
  TokenError,
  UnknownPointError,
  WeightFileError,
} from "../../mod.ts";
import { modelTypes } from "../../src/model/architectures/hugging_face.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, TINY, tinyModel, tinySae, TOKENS } from "./_models.ts";

type ErrorClass = new (message?: string) => Error;

/** Asserts the class and the whole text of an error, and that a model computes and holds what it did before. */
function assertRefused(model: HookedSAETransformer) {
  const clean = model.forward(TOKENS).clone();
  const before = { ...memoryUsage(), heapBytes: 0 };
  return (body: () => unknown, errorClass: ErrorClass, message: string) => {
    assertError(body, errorClass, message);
    assertSameBits(model.forward(TOKENS), clean);
    assertEquals({ ...memoryUsage(), heapBytes: 0 }, before);
    assertEquals([model.listHooks(), model.contextLevel, model.actsToSaes.size], [[], 0, 0]);
  };
}

/** The same of what loads; nothing may stay in memory. */
async function assertNotLoaded(
  load: () => Promise<HookedTransformer | HookedSAE>,
  errorClass: ErrorClass,
  message: string,
): Promise<void> {
  const { liveBytes } = memoryUsage();
  const error = await assertRejects(load, errorClass);
  assertEquals(error.message, message);
  assertEquals(memoryUsage().liveBytes, liveBytes);
}

Deno.test("Running refuses unknown hook names", () => {
  using model = tinyModel();
  using saes = tinySae("blocks.1.hook_resid_pre");
  const refused = assertRefused(model);
  const look = () => {};
  const name = "blocks.2.hook_resid_pre";
  const runs = [
    () => model.runWithHooks(TOKENS, { fwdHooks: [["hook_embed", look], [name, look]] }),
    () => model.runWithHooks(TOKENS, { bwdHooks: [[name, look]] }),
    () => model.runWithHooksWithSaes(TOKENS, { saes, fwdHooks: [[name, look]] }),
    () => model.runWithCache(TOKENS, { namesFilter: ["hook_embed", name] }),
    () => model.addHook(name, look),
    () => model.forward(TOKENS, { watch: [name] }),
  ];
  for (const run of runs) {
    refused(
      run,
      UnknownPointError,
      'There is no hook point "blocks.2.hook_resid_pre". There is no layer 2: they go from 0 to 1.',
    );
  }
});

Deno.test("Running refuses prompts without tokens and prompts longer than the context", () => {
  using model = tinyModel();
  const refused = assertRefused(model);
  const empty =
    "Cannot run an empty prompt: it has no tokens. Prepend the BOS token, or give some text.";
  refused(() => model.forward([]), TokenError, empty);
  refused(() => model.forward([[]]), TokenError, empty);
  refused(() => model.forward(Tensor.zeros([0, 3], "int32")), TokenError, empty);
  refused(
    () => model.forward(Array<number>(13).fill(1)),
    TokenError,
    "Cannot run 13 tokens: the context of tiny holds 12.",
  );
  refused(
    () => model.forward(Tensor.zeros([1, 13, 16]), { startAtLayer: 1 }),
    TokenError,
    "Cannot run 13 tokens: the context of tiny holds 12.",
  );
});

Deno.test("Running refuses what isn't token ids", () => {
  using model = tinyModel();
  const refused = assertRefused(model);
  refused(
    () => model.forward([[1, 20]]),
    TokenError,
    "Cannot embed token 20: the vocabulary has ids from 0 to 19.",
  );
  refused(
    () => model.forward([[-1, 2]]),
    TokenError,
    "Cannot embed token -1: the vocabulary has ids from 0 to 19.",
  );
  const notWhole =
    "Cannot run on float32 values as tokens: expected integers (a residual stream needs startAtLayer).";
  for (const tokens of [[[1.5]], [[NaN]], Tensor.from([1.5])]) {
    refused(() => model.forward(tokens), ShapeError, notWhole);
  }
  refused(
    () => model.forward(Tensor.from([true])),
    ShapeError,
    notWhole.replace("float32", "bool"),
  );
  refused(
    () => model.forward(Tensor.zeros([1, 2, 16])),
    ShapeError,
    "Cannot run on tokens of shape [1, 2, 16]: expected [pos] or [batch, pos].",
  );
  refused(
    () => model.forward([[1, 2], [3]]),
    ShapeError,
    "Cannot make a tensor from nested arrays: the first entries have shape [2, 2], others differ.",
  );
  refused(
    () => model.forward("text"),
    TokenError,
    "Cannot run on text: the model has no tokenizer. Load it with one, or pass token ids.",
  );
});

Deno.test("Running refuses options that contradict the input", () => {
  using model = tinyModel();
  const refused = assertRefused(model);
  const residual = Tensor.zeros([1, 2, 16]);
  refused(
    () => model.forward(TOKENS, { attentionMask: [[1, 1]] }),
    ShapeError,
    "Cannot use an attentionMask of shape [1, 2]: expected [batch 2, pos 6].",
  );
  refused(
    () => model.forward(TOKENS, { startAtLayer: 1 }),
    ShapeError,
    "Cannot start at layer 1 from an array: expected the residual stream, float32[batch, pos, dModel 16].",
  );
  refused(
    () => model.forward(Tensor.from(TOKENS), { startAtLayer: 1 }),
    ShapeError,
    "Cannot start at layer 1 from Tensor(float32[2, 6]): expected the residual stream, float32[batch, pos, dModel 16].",
  );
  refused(
    () => model.forward(Tensor.zeros([1, 2, 8]), { startAtLayer: 1 }),
    ShapeError,
    "Cannot start at layer 1 from Tensor(float32[1, 2, 8]): expected the residual stream, float32[batch, pos, dModel 16].",
  );
  refused(
    () => model.forward(residual, { startAtLayer: 1, returnType: "loss" }),
    ShapeError,
    "Cannot take the loss of a run that starts at a layer: pass the `tokens` that the residual stream came from.",
  );
  refused(
    () => model.forward(residual, { startAtLayer: 1, tokens: Tensor.from([[1, 2, 3]]) }),
    ShapeError,
    "Cannot use tokens of shape [1, 3]: expected those of the residual stream, [batch 1, pos 2].",
  );
  refused(
    () => model.forward([[1]], { returnType: "loss" }),
    ShapeError,
    "Cannot take the loss over tokens of shape [1, 1]: expected [batch, pos] with two positions or more.",
  );
  refused(
    () => model.forward(TOKENS, { logitsAt: [0, 6] }),
    RangeError,
    'Cannot unembed position 6 of 6: expected "all", or whole numbers from -6 to 5.',
  );
  refused(
    () => model.runWithSaes(TOKENS, { saes: identity, excludeSpecialTokens: true }),
    TokenError,
    "Cannot exclude special tokens: the model has no tokenizer. Load it with one, or pass token ids.",
  );
});

const identity = { cfg: { hookName: "hook_embed" }, forward: (x: Tensor) => x };

Deno.test("A disposed model says so, and so do its weights and the logits that nobody read", () => {
  const model = tinyModel();
  const unread = model.forward(TOKENS);
  const { weightBytes } = memoryUsage();
  model[Symbol.dispose]();
  model[Symbol.dispose]();
  assert(memoryUsage().weightBytes < weightBytes);
  const disposed = "Cannot run tiny: the model was disposed.";
  assertError(() => model.forward(TOKENS), ConfigError, disposed);
  assertError(() => model.runWithCache(TOKENS), ConfigError, disposed);
  assertError(
    () => model.sweep(TOKENS, { at: "hook_embed", over: { pos: [0] }, metric: (x) => x.sum() }),
    ConfigError,
    "Cannot sweep tiny: the model was disposed.",
  );
  assertError(
    () => unread.data(),
    ConfigError,
    "Cannot unembed logits: the model was disposed before they were read.",
  );
  assertError(
    () => model.W_E,
    WeightFileError,
    'Cannot read the parameter "embed.W_E": its memory was given back (disposed).',
  );
});

Deno.test("A configuration that is incomplete or contradictory is refused", () => {
  const { liveBytes } = memoryUsage();
  const refused = (cfg: Record<string, unknown>, message: string) =>
    assertError(() => new HookedTransformer(cfg as typeof TINY), ConfigError, message);
  refused(
    { nLayers: 0, dModel: 4, nCtx: 3, dVocab: 4 },
    "Cannot make a configuration: nHeads (or dHead), actFn (or attnOnly) must be given; nLayers is 0, wanted a whole number of at least 1",
  );
  refused(
    { ...TINY, nLayer: 3 },
    'Cannot make a configuration: "nLayer" isn\'t a field (the nearest is "nLayers")',
  );
  assertEquals(memoryUsage().liveBytes, liveBytes);
});

Deno.test("Text that doesn't fit the model is refused, and the model is as it was", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const clean = model.forward("When John and Mary").clone();
  const before = { ...memoryUsage(), heapBytes: 0 };
  const refused = (body: () => unknown, message: string) => {
    assertError(body, TokenError, message);
    assertSameBits(model.forward("When John and Mary"), clean);
    assertEquals({ ...memoryUsage(), heapBytes: 0 }, before);
  };
  refused(
    () => model.forward("", { prependBos: false }),
    'Cannot run prompt 0 (""): it has no tokens, wanted at least one; prependBos: true gives it a BOS',
  );
  refused(
    () => model.forward(["John", ""], { prependBos: false }),
    'Cannot run prompt 1 (""): it has no tokens, wanted at least one; prependBos: true gives it a BOS',
  );
  refused(
    () => model.forward("a ".repeat(200)),
    'Cannot fit prompt 0 ("a a a a a a a a a a a a a a a a a a a a ...") into the context: it has 202 tokens, the context 128; toTokens() cuts it',
  );
  refused(
    () => model.toSingleToken("John Mary"),
    '"John Mary" is 2 tokens ["John", " Mary"], expected one',
  );
  refused(() => model.toSingleToken(""), '"" is 0 tokens [], expected one');
  refused(
    () => model.toSingleStrToken(99999),
    "Cannot decode token 99999: it isn't in the vocabulary, whose ids are integers from 0 to 2047",
  );
  refused(
    () => model.getTokenPosition(" Mary", "When John"),
    'Cannot find the token " Mary" (id 609): it doesn\'t occur in "<|endoftext|>When John"',
  );
});

Deno.test("Unknown models, releases and SAEs are refused with the nearest names", async () => {
  await assertNotLoaded(
    () => HookedSAETransformer.fromPretrained("ioi-tny"),
    UnknownPointError,
    'There is no model "ioi-tny". The nearest are "ioi-tiny", "opt", "Yi-34B". ' +
      'For a model in a folder, give its path ("./ioi-tny") or URL.',
  );
  await assertNotLoaded(
    () => SAE.fromPretrained("ioi-tiny-hookz", "blocks.2.hook_z"),
    UnknownPointError,
    'There is no SAE release "ioi-tiny-hookz". Did you mean "ioi-tiny-hook-z", "ioi-tiny-resid", "gpt2-small-hook-z-kk"? For SAEs in a folder of your own, use SAE.fromDisk(folder); for a repository of the hub, its id "owner/name".',
  );
  await assertNotLoaded(
    () => SAE.fromPretrained("ioi-tiny-hook-z", "blocks.9.hook_z"),
    UnknownPointError,
    'The SAE release "ioi-tiny-hook-z" has no "blocks.9.hook_z". Did you mean "blocks.0.hook_z", "blocks.1.hook_z", "blocks.2.hook_z"?',
  );
});

const CHECKPOINT = new URL("../../models/ioi-tiny/model/", import.meta.url);

/** The embedded model's files, for breaking. */
async function checkpoint() {
  const read = (name: string) => Deno.readFile(new URL(name, CHECKPOINT));
  const config = JSON.parse(new TextDecoder().decode(await read("config.json")));
  return { config, weights: await read("model.safetensors") };
}

/** A safetensors file with another header over the same data. */
function withHeader(
  file: Uint8Array,
  change: (header: Record<string, { data_offsets: number[] }>) => void,
) {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  change(header);
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + file.length - 8 - length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(file.subarray(8 + length), 8 + text.length);
  return out;
}

Deno.test("A truncated file of weights is refused", async () => {
  const { config, weights } = await checkpoint();
  const load = (bytes: Uint8Array) => () =>
    HookedTransformer.fromPretrained({ config, weights: bytes });
  await assertNotLoaded(
    load(weights.slice(0, 4)),
    WeightFileError,
    'Cannot read "model.safetensors": it has 4 bytes, wanted at least 8 for the header\'s length',
  );
  const headerBytes = Number(new DataView(weights.buffer).getBigUint64(0, true));
  await assertNotLoaded(
    load(weights.slice(0, 100)),
    WeightFileError,
    `Cannot read "model.safetensors": its header claims ${headerBytes} bytes, but only 92 follow`,
  );
  const error = await assertRejects(load(weights.slice(0, -1)), WeightFileError);
  const dataBytes = weights.length - 8 - headerBytes;
  assertEquals(
    error.message.replace(/tensor "[^"]+"/, "tensor"),
    `Cannot read "model.safetensors": tensor ends at byte ${dataBytes}, but only ${
      dataBytes - 1
    } follow the header`,
  );
});

Deno.test("A file of weights whose tensors overlap is refused", async () => {
  const { config, weights } = await checkpoint();
  let names: string[] = [];
  const overlapping = withHeader(weights, (header) => {
    const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
    tensors.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
    const [first, second] = tensors;
    names = [first[0], second[0]];
    second[1].data_offsets = second[1].data_offsets.map((at) => at - 4);
  });
  await assertNotLoaded(
    () => HookedTransformer.fromPretrained({ config, weights: overlapping }),
    WeightFileError,
    `Cannot read "model.safetensors": tensors "${names[0]}" and "${names[1]}" overlap by 4 bytes`,
  );
});

Deno.test("A config.json that isn't understood in full is refused", async () => {
  const { config, weights } = await checkpoint();
  const load = (changes: Record<string, unknown>) => () =>
    HookedTransformer.fromPretrained({ config: { ...config, ...changes }, weights });
  await assertNotLoaded(
    load({ rotary_pct: 0.25 }),
    ConfigError,
    "Cannot read config.json: rotary_pct is an unknown key that may matter (the nearest is return_dict)",
  );
  await assertNotLoaded(
    load({ model_type: "gpt9" }),
    ConfigError,
    `Cannot read config.json: model_type is "gpt9", wanted one of ${
      modelTypes().map((type) => `"${type}"`).join(", ")
    }`,
  );
  await assertNotLoaded(
    load({ n_layer: "four" }),
    ConfigError,
    'Cannot read config.json: n_layer is "four", wanted a whole number of at least 1',
  );
  await assertNotLoaded(
    load({ n_layer: undefined, layer_norm_epsilon: -1, add_cross_attention: true }),
    ConfigError,
    "Cannot read config.json: layer_norm_epsilon is -1, wanted a number above 0; add_cross_attention is true, wanted false",
  );
});

Deno.test("A checkpoint that lacks tensors or has them in another shape is refused", async () => {
  const { config, weights } = await checkpoint();
  const load = (changes: Record<string, unknown>) => () =>
    HookedTransformer.fromPretrained({ config: { ...config, ...changes }, weights });
  const parts = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"];
  const missing = parts.flatMap((part) => [`"h.4.${part}.weight"`, `"h.4.${part}.bias"`]);
  await assertNotLoaded(
    load({ n_layer: 5 }),
    WeightFileError,
    `Cannot load "model.safetensors" as a gpt2 model: missing: ${missing.join(", ")}`,
  );
  await assertNotLoaded(
    load({ n_positions: 64, n_ctx: 64 }),
    WeightFileError,
    'Cannot load "model.safetensors" as a gpt2 model: "transformer.wpe.weight" is [128, 128], wanted [64, 128]',
  );
});
