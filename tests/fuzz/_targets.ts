/** What is fuzzed: whole files, and who reads them. */

import { HookedTransformer, SAE, Tensor } from "../../mod.ts";
import { readSaeConfig } from "../../src/sae/read_config.ts";
import { SAE_KINDS } from "../../src/sae/kinds/registry.ts";
import { readTokenizer } from "../../src/session/read_tokenizer.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { MemorySource } from "../../src/weights/memory_source.ts";
import { openNpz } from "../../src/weights/npz.ts";
import { openSafetensors, type TensorFile } from "../../src/weights/safetensors.ts";
import type { Source } from "../../src/weights/source.ts";
import { openTorchFile } from "../../src/weights/torch_file.ts";
import { readYaml } from "../../src/sae/formats/_files.ts";
import { openFixture } from "../_fixtures.ts";
import { bytesOf, floats, safetensors, type Written } from "../weights/_files.ts";
import type { FileKind } from "./_mutate.ts";
import { storedZip, unzipped } from "./_zip.ts";

/** A reader to fuzz. */
export interface Target {
  readonly kind: FileKind;
  /** How many cases the suite runs. */
  readonly cases: number;
  /** Makes the whole files. */
  corpus(): Promise<readonly Uint8Array[]>;
  /** Reads a file, all of it, and uses what comes out. */
  read(file: Uint8Array): Promise<unknown>;
}

const encode = (text: string) => new TextEncoder().encode(text);
const jsonLines = (value: unknown) => encode(JSON.stringify(value, undefined, 1));

/** Reads everything that a file of tensors has. */
async function readAll(file: TensorFile): Promise<void> {
  for (const name of file.names) await file.read(name);
}

/** A target whose files are files of tensors. */
function tensorFiles(
  cases: number,
  corpus: () => Promise<readonly Uint8Array[]>,
  open: (source: Source, name: string) => Promise<TensorFile>,
): Target {
  return {
    kind: "binary",
    cases,
    corpus,
    read: async (file) => await readAll(await open(new MemorySource(new Map([["x", file]])), "x")),
  };
}

const FILES = new URL("../weights/files/", import.meta.url);

async function filesOf(...names: readonly string[]): Promise<Uint8Array[]> {
  return await Promise.all(names.map((name) => Deno.readFile(new URL(name, FILES))));
}

const TORCH_FILES = [
  ...Array<string[]>(4).fill(["tensors.pt", "nested.pt", "protocol_4.pt"]).flat(),
  "module.pt",
  "function.pt",
  "legacy.pt",
];

/** The other members of a torch archive, for a pickle that stands alone. */
async function aroundPickle(): Promise<ReadonlyMap<string, Uint8Array>> {
  const [whole] = await filesOf("tensors.pt");
  return new Map([...unzipped(whole)].filter(([name]) => !name.endsWith("data.pkl")));
}

const around = aroundPickle();

/** Headers of files whose tensors take 32 bytes. */
const SAFETENSORS_HEADERS = [
  {
    __metadata__: { format: "pt" },
    a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    b: { dtype: "I64", shape: [], data_offsets: [24, 32] },
  },
  {
    half: { dtype: "F16", shape: [2, 4], data_offsets: [0, 16] },
    brain: { dtype: "BF16", shape: [8], data_offsets: [16, 32] },
    none: { dtype: "F64", shape: [0, 3], data_offsets: [32, 32] },
  },
];

/** A safetensors file of a header and as many bytes of tensors. */
function joinedFile(header: Uint8Array, dataBytes: number): Uint8Array {
  const file = new Uint8Array(8 + header.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  return file;
}

const ints: Written = { dtype: "I64", shape: [2], bytes: bytesOf(BigInt64Array.of(1n, -1n)) };
const halves: Written = { dtype: "F16", shape: [2, 2], bytes: bytesOf(Uint16Array.of(1, 2, 3, 4)) };

/** Small tensors of these shapes. */
function small(shapes: Readonly<Record<string, readonly number[]>>): Record<string, Written> {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => {
      const values = Tensor.randn(shape, { seed: i + 1 }).data() as Float32Array;
      return [name, floats(shape, values)];
    }),
  );
}

/** The configurations of SAEs of every kind, as SAELens writes them now and wrote them. */
const SAE_CONFIGS = [
  ...Object.entries({
    standard: {},
    gated: {},
    jumprelu: {},
    topk: { k: 2, rescale_acts_by_decoder_norm: true },
    abstopk: { k: 2 },
    matching_pursuit: { residual_threshold: 0.1, max_iterations: 3 },
    temporal: { n_heads: 2, bottleneck_factor: 2, n_attn_layers: 1, kval_topk: 2 },
    transcoder: { d_out: 4 },
    skip_transcoder: { d_out: 4 },
    jumprelu_transcoder: { d_out: 4 },
    jumprelu_skip_transcoder: { d_out: 4 },
  }).map(([architecture, own]) => ({
    d_in: 4,
    d_sae: 8,
    dtype: "float32",
    device: "cpu",
    apply_b_dec_to_input: !architecture.includes("transcoder"),
    normalize_activations: "none",
    reshape_activations: "none",
    metadata: {
      sae_lens_version: "6.54.12",
      model_name: "tiny",
      hook_name: "blocks.1.hook_resid_pre",
      prepend_bos: true,
      context_size: 8,
      model_from_pretrained_kwargs: { fold_ln: false },
    },
    ...own,
    architecture,
  })),
  {
    architecture: "standard",
    hook_point: "blocks.1.hook_resid_pre",
    d_in: 4,
    d_sae: 8,
    dtype: "torch.float32",
    activation_fn_str: "topk",
    activation_fn_kwargs: { k: 2 },
    normalize_activations: false,
    prepend_bos: true,
  },
];

/** A file of weights for each kind, by the kind's name. */
const SAE_WEIGHTS = new Map(SAE_CONFIGS.map((config) => {
  const cfg = readSaeConfig(config, "cfg.json");
  return [cfg.architecture as string, safetensors(small(SAE_KINDS[cfg.architecture].shapes(cfg)))];
}));

/** The kind that a configuration still names, so that most files fit their weights. */
function weightsFor(config: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(config);
  const named = [...SAE_WEIGHTS.keys()].filter((name) => text.includes(`"${name}"`));
  return SAE_WEIGHTS.get(text.includes('"topk"') ? "topk" : named[0] ?? "standard")!;
}

/** Publishers' folders, and a key that only their configurations have. */
const PUBLISHERS = [
  {
    key: "expansion_factor",
    folder: "sae_formats/sparsify/repo/layers.1",
    config: "cfg.json",
    weights: "sae.safetensors",
  },
  {
    key: "jump_relu_threshold",
    folder: "sae_formats/llama_scope/repo/Llama3_1-8B-Base-L1R-8x",
    config: "hyperparams.json",
    weights: "checkpoints/final.safetensors",
  },
  {
    key: "trainer",
    folder: "sae_formats/dictionary_learning_topk/repo/resid_post_layer_1/topk",
    config: "config.json",
    weights: "ae.pt",
  },
] as const;

const GPT2_CONFIG = {
  model_type: "gpt2",
  architectures: ["GPT2LMHeadModel"],
  activation_function: "gelu_new",
  n_embd: 4,
  n_head: 2,
  n_layer: 1,
  n_ctx: 6,
  n_positions: 6,
  n_inner: null,
  vocab_size: 7,
  layer_norm_epsilon: 1e-5,
  initializer_range: 0.02,
  scale_attn_by_inverse_layer_idx: false,
  scale_attn_weights: true,
  reorder_and_upcast_attn: false,
  attn_pdrop: 0.1,
  embd_pdrop: 0.1,
  resid_pdrop: 0.1,
  bos_token_id: 6,
  eos_token_id: 6,
  tie_word_embeddings: true,
  torch_dtype: "float32",
  use_cache: true,
};

const GPT2_WEIGHTS = safetensors(small({
  "transformer.wte.weight": [7, 4],
  "transformer.wpe.weight": [6, 4],
  "transformer.h.0.ln_1.weight": [4],
  "transformer.h.0.ln_1.bias": [4],
  "transformer.h.0.attn.c_attn.weight": [4, 12],
  "transformer.h.0.attn.c_attn.bias": [12],
  "transformer.h.0.attn.c_proj.weight": [4, 4],
  "transformer.h.0.attn.c_proj.bias": [4],
  "transformer.h.0.ln_2.weight": [4],
  "transformer.h.0.ln_2.bias": [4],
  "transformer.h.0.mlp.c_fc.weight": [4, 16],
  "transformer.h.0.mlp.c_fc.bias": [16],
  "transformer.h.0.mlp.c_proj.weight": [16, 4],
  "transformer.h.0.mlp.c_proj.bias": [4],
  "transformer.ln_f.weight": [4],
  "transformer.ln_f.bias": [4],
}));

/** The fixtures with checkpoints of the other families, by their `model_type` or what it begins. */
const FAMILIES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      "bloom",
      "gemma",
      "gemma2",
      "gemma3",
      "gpt_neo",
      "gpt_neox_parallel",
      "gptj",
      "llama_rope_scaling",
      "mistral",
      "opt",
      "phi",
      "qwen2",
      "qwen3",
    ].map((name) => [name, `${name}/model`]),
  ),
  phi3: "rope/phi3_longrope_short",
};
const FAMILY_FOLDERS = Object.values(FAMILIES);

const familyWeights = new Map<string, Promise<Uint8Array>>();

/** The weights of the family that a configuration still names, GPT-2's otherwise. */
async function weightsOf(config: Uint8Array): Promise<Uint8Array> {
  const [, type] = /"model_type": "(\w+)"/.exec(new TextDecoder().decode(config)) ?? [];
  const family = Object.keys(FAMILIES).find((name) =>
    type !== "gpt2" && type && name.startsWith(type.replace("_text", ""))
  );
  if (family === undefined) return GPT2_WEIGHTS;
  const known = familyWeights.get(family) ??
    openFixture(FAMILIES[family]).read("model.safetensors");
  familyWeights.set(family, known);
  return await known;
}

const SPECIAL = {
  id: 0,
  content: "<|endoftext|>",
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
};

const PIPELINE = { version: "1.0", truncation: null, padding: null, added_tokens: [SPECIAL] };

/** Tokenizers of a few tokens: byte pairs as GPT-2 has them, and as Llama has them; Unigram as T5 has it. */
const TOKENIZERS = [
  {
    ...PIPELINE,
    normalizer: null,
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: {
      type: "ByteLevel",
      add_prefix_space: true,
      trim_offsets: false,
      use_regex: true,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: { "<|endoftext|>": 0, a: 1, b: 2, c: 3, "Ġ": 4, ab: 5, "Ġa": 6, abc: 7 },
      merges: ["a b", "Ġ a", "ab c"],
    },
  },
  {
    ...PIPELINE,
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "Prepend", prepend: "▁" }, {
        type: "Replace",
        pattern: { String: " " },
        content: "▁",
      }],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [{
        type: "Split",
        pattern: { Regex: "\\p{L}+|\\p{N}{1,3}|\\s+(?!\\S)" },
        behavior: "Isolated",
        invert: false,
      }],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<|endoftext|>", type_id: 0 } }, {
        Sequence: { id: "A", type_id: 0 },
      }],
      pair: [],
      special_tokens: {
        "<|endoftext|>": { id: "<|endoftext|>", ids: [0], tokens: ["<|endoftext|>"] },
      },
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: {
        "<|endoftext|>": 0,
        "<unk>": 1,
        "<0xC3>": 2,
        "<0xA9>": 3,
        "▁": 4,
        a: 5,
        b: 6,
        "▁a": 7,
      },
      merges: [["▁", "a"]],
    },
  },
  {
    ...PIPELINE,
    normalizer: { type: "NFKC" },
    pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: true },
    post_processor: null,
    decoder: { type: "Metaspace", replacement: "▁", add_prefix_space: true },
    model: {
      type: "Unigram",
      unk_id: 1,
      vocab: [["<|endoftext|>", 0], ["<unk>", 0], ["▁", -1.5], ["a", -2.25], ["bc", -3], [
        "▁abc",
        -4,
      ]],
    },
  },
];

const YAML = [
  "model_name: google/gemma-2-2b\nfeature_input_hook: hook_resid_mid\n",
  'a:\n  - 1\n  - {b: [1, "x", null]}\n  - c: 2.5 # why\n    d: \'q\'\n"e": ~\n',
].map(encode);

/** The files of a tokenizer without `tokenizer.json`. */
const BYTE_PAIRS: Readonly<Record<string, Uint8Array>> = {
  "vocab.json": jsonLines(TOKENIZERS[0].model.vocab),
  "merges.txt": encode("#version: 0.2\na b\nĠ a\nab c\n"),
  "tokenizer_config.json": jsonLines({ bos_token: { content: "<|endoftext|>" }, unk_token: "é" }),
  "added_tokens.json": jsonLines({ "<mask>": 9, "<sep>": 10 }),
};

const BYTE_PAIR_FILES = Object.keys(BYTE_PAIRS);

/** Whether a broken file still has something that only one of them has. */
function looksLike(name: string, file: Uint8Array): boolean {
  const text = new TextDecoder().decode(file);
  const marks = {
    "vocab.json": '"Ġa"',
    "tokenizer_config.json": "_token",
    "added_tokens.json": "<",
  };
  return text.includes((marks as Record<string, string>)[name] ?? "#version");
}

/** The readers by name. */
export const TARGETS: Readonly<Record<string, Target>> = {
  "safetensors": tensorFiles(
    12_000,
    () =>
      Promise.resolve([
        safetensors({ a: floats([2, 3], [1, 2, 3, 4, 5, 6]), b: floats([], [7]), ints, halves }),
        safetensors({ only: floats([0, 3], []) }),
        safetensors({}),
      ]),
    openSafetensors,
  ),
  "safetensors headers": {
    kind: "text",
    cases: 8_000,
    corpus: () => Promise.resolve(SAFETENSORS_HEADERS.map(jsonLines)),
    async read(header) {
      const file = joinedFile(header, 32);
      await readAll(await openSafetensors(new MemorySource(new Map([["x", file]])), "x"));
    },
  },
  "npz": tensorFiles(
    12_000,
    // Whole ones more often than those that are refused as they are.
    () =>
      filesOf(
        "arrays.npz",
        "arrays.npz",
        "arrays.npz",
        "arrays.npz",
        "big_endian.npz",
        "records.npz",
      ),
    openNpz,
  ),
  "compressed npz": tensorFiles(3_000, () => filesOf("compressed.npz"), openNpz),
  "torch archives": tensorFiles(15_000, () => filesOf(...TORCH_FILES), openTorchFile),
  "pickles": {
    kind: "binary",
    cases: 17_000,
    async corpus() {
      const archives = await filesOf(...TORCH_FILES.filter((name) => name !== "legacy.pt"));
      return archives.map((archive) =>
        [...unzipped(archive)].find(([name]) => name.endsWith("data.pkl"))![1]
      );
    },
    async read(pickle) {
      const archive = storedZip(new Map([["tensors/data.pkl", pickle], ...await around]));
      await readAll(await openTorchFile(new MemorySource(new Map([["x", archive]])), "x"));
    },
  },
  "SAE configurations": {
    kind: "text",
    cases: 10_000,
    corpus: () => Promise.resolve(SAE_CONFIGS.map(jsonLines)),
    async read(config) {
      using sae = await SAE.fromDisk(
        new Map([["cfg.json", config], ["sae_weights.safetensors", weightsFor(config)]]),
      );
      const { dIn, reshapeActivations } = sae.cfg;
      sae.forward(Tensor.ones(reshapeActivations === "hook_z" ? [1, 2, 2, dIn / 2] : [1, 2, dIn]));
    },
  },
  "publishers' configurations": {
    kind: "text",
    cases: 3_000,
    corpus: () =>
      Promise.all(
        PUBLISHERS.map(({ folder, config }) => openFixture(folder).read(config)),
      ),
    async read(file) {
      const text = new TextDecoder().decode(file);
      const { folder, config, weights } = PUBLISHERS.find(({ key }) => text.includes(key)) ??
        PUBLISHERS[0];
      const whole = await openFixture(folder).read(weights);
      using _sae = await SAE.fromDisk(
        new Map([[`layers.1/${config}`, file], [`layers.1/${weights}`, whole]]),
        { path: "layers.1" },
      );
    },
  },
  "model configurations": {
    kind: "text",
    cases: 8_000,
    corpus: async () => [
      ...Array<Uint8Array>(FAMILY_FOLDERS.length).fill(jsonLines(GPT2_CONFIG)),
      ...await Promise.all(
        FAMILY_FOLDERS.map((folder) => openFixture(folder).read("config.json")),
      ),
    ],
    async read(config) {
      const json: unknown = await new MemorySource(new Map([["config.json", config]]))
        .readJson("config.json");
      using model = await HookedTransformer.fromPretrained({
        config: json,
        weights: await weightsOf(config),
      });
      model.forward([[1, 2, 3]]);
    },
  },
  "tokenizers": {
    kind: "text",
    cases: 5_000,
    corpus: () => Promise.resolve(TOKENIZERS.map(jsonLines)),
    async read(file) {
      const tokenizer = await loadTokenizer({ tokenizerJson: new TextDecoder().decode(file) });
      tokenizer.decode(tokenizer.encode("abc a<|endoftext|>é"));
    },
  },
  "byte pair files": {
    kind: "text",
    cases: 2_000,
    corpus: () => Promise.resolve(Object.values(BYTE_PAIRS)),
    async read(file) {
      const name = BYTE_PAIR_FILES.find((known) => looksLike(known, file)) ?? "merges.txt";
      const files = new Map(Object.entries({ ...BYTE_PAIRS, [name]: file }));
      const tokenizer = await readTokenizer(new MemorySource(files));
      tokenizer?.decode(tokenizer.encode("abc a<|endoftext|>é"));
    },
  },
  "YAML": {
    kind: "text",
    cases: 5_000,
    corpus: () => Promise.resolve(YAML),
    read: async (file) => await readYaml(new MemorySource(new Map([["x", file]])), "x"),
  },
};
