/**
 * The releases of SAEs by SAELens' names of them. A new release is a row here.
 *
 * @module
 */

import { embeddedFolder } from "../../weights/embedded.ts";
import { gemmaScope } from "./gemma_scope.ts";
import { llamaScope } from "./llama_scope.ts";
import { layers, listed, named, pattern, type Release } from "./release.ts";

type Releases = Readonly<Record<string, Release>>;

/** What comes with the library. */
const embedded = (): Releases => ({
  "ioi-tiny-hook-z": {
    location: embeddedFolder("ioi-tiny/saes"),
    format: "sae_lens",
    saes: named(...[0, 1, 2, 3].map((layer) => `blocks.${layer}.hook_z`)),
  },
  "ioi-tiny-resid": {
    location: embeddedFolder("ioi-tiny/saes"),
    format: "sae_lens",
    saes: named("blocks.2.hook_resid_pre.jumprelu", "blocks.2.hook_resid_pre.topk"),
  },
});

const GPT2_LAYERS = 12;
const OPENWEBTEXT = { metadata: { datasetPath: "Skylion007/openwebtext" } };
const CENTERED = { metadata: { modelFromPretrainedKwargs: { center_writing_weights: true } } };

/** Kissane and Krzyzanowski's file names: the sparsity's weight, the width, the decay, the attempt. */
const KK_RUNS: readonly (readonly [l1: string, width: number, decay: string, version: number])[] = [
  ["1.80e+00", 24576, "1.00e-06", 9],
  ["8.00e-01", 24576, "1.00e-06", 5],
  ["1.00e+00", 24576, "1.00e-06", 4],
  ["9.00e-01", 24576, "1.00e-06", 9],
  ["1.10e+00", 24576, "1.00e-06", 7],
  ["1.00e+00", 49152, "1.00e-06", 9],
  ["1.10e+00", 24576, "1.00e-06", 9],
  ["1.10e+00", 49152, "1.00e-06", 9],
  ["1.30e+00", 24576, "1.00e-05", 6],
  ["1.20e+00", 24576, "1.00e-06", 9],
  ["1.30e+00", 24576, "1.00e-05", 9],
  ["3.00e+00", 24576, "3.16e-06", 9],
];

function kkFile(layer: number): string {
  const [l1, width, decay, version] = KK_RUNS[layer];
  return `gpt2-small_L${layer}_Hcat_z_lr1.20e-03_l1${l1}_ds${width}_bs4096_dc${decay}` +
    `_rsanthropic_rie25000_nr4_v${version}.pt`;
}

/** McGrath's attempt and scale of each layer. */
const TM_RUNS: readonly (readonly [version: number, factor: number])[] = [
  [1, 1.049317316132615],
  [0, 2.3693984005104283],
  [0, 1.6411934982190302],
  [0, 1.8958522157897557],
  [0, 1.81673478700627],
  [0, 1.550234472245924],
  [0, 1.3237742807210804],
  [0, 1.1042905114723296],
  [1, 0.9123762783479742],
  [0, 0.6955335635232373],
  [0, 0.3619728926727644],
  [2, 0.2851548652550073],
];

/** OpenAI's SAEs of GPT-2 small in SAELens' layout, of a site and a width. */
function openAi(site: string, width: string): [string, Release] {
  const isResidPost32k = site === "resid-post" && width === "32k";
  return [`gpt2-small-${site}-v5-${width}`, {
    repo: `jbloom/GPT2-Small-OAI-v5-${width}-${site}-SAEs`,
    format: "sae_lens",
    saes: layers(GPT2_LAYERS, (layer) => [
      `blocks.${layer}.hook_${site.replace("-", "_")}`,
      `v5_${width}_layer_${layer}${isResidPost32k ? ".pt" : ""}`,
    ]),
    cfg: OPENWEBTEXT,
  }];
}

/** A release of three layers whose folders end in its own name. */
function ajt(name: string): [string, Release] {
  return [`gpt2-small-${name}`, {
    repo: `neuronpedia/gpt2-small__${name}`,
    format: "sae_lens",
    saes: listed(() =>
      Object.fromEntries(
        [2, 6, 10].map((layer) => [`blocks.${layer}.hook_resid_pre`, `${layer}-${name}`]),
      )
    ),
  }];
}

const gpt2 = (): Releases => ({
  "gpt2-small-hook-z-kk": {
    repo: "ckkissane/attn-saes-gpt2-small-all-layers",
    format: "connor_rob_hook_z",
    saes: layers(GPT2_LAYERS, (layer) => [`blocks.${layer}.hook_z`, kkFile(layer)]),
  },
  "gpt2-small-res-jb": {
    repo: "jbloom/GPT2-Small-SAEs-Reformatted",
    format: "sae_lens",
    saes: named(
      ...Array.from({ length: GPT2_LAYERS }, (_, layer) => `blocks.${layer}.hook_resid_pre`),
      "blocks.11.hook_resid_post",
    ),
    cfg: CENTERED,
  },
  "gpt2-small-res-jb-feature-splitting": {
    repo: "jbloom/GPT2-Small-Feature-Splitting-Experiment-Layer-8",
    format: "sae_lens",
    saes: named(
      ...[1, 2, 4, 8, 16, 32, 64, 128].map((n) => `blocks.8.hook_resid_pre_${768 * n}`),
    ),
    cfg: CENTERED,
  },
  "gpt2-small-mlp-tm": {
    repo: "tommmcgrath/gpt2-small-mlp-out-saes",
    format: "sae_lens",
    saes: layers(GPT2_LAYERS, (layer) => [
      `blocks.${layer}.hook_mlp_out`,
      `sae_group_gpt2_blocks.${layer}.hook_mlp_out_24576:v${TM_RUNS[layer][0]}`,
    ]),
    factors: Object.fromEntries(
      TM_RUNS.map(([, factor], layer) => [`blocks.${layer}.hook_mlp_out`, factor]),
    ),
    cfg: { metadata: { ...OPENWEBTEXT.metadata, ...CENTERED.metadata } },
  },
  ...Object.fromEntries(
    ["resid-post", "resid-mid", "mlp-out", "attn-out"].flatMap((site) =>
      ["32k", "128k"].map((width) => openAi(site, width))
    ),
  ),
  ...Object.fromEntries(
    ["res_sce-ajt", "res_scefr-ajt", "res_scl-ajt", "res_sle-ajt", "res_slefr-ajt", "res_sll-ajt"]
      .map(ajt),
  ),
});

const PYTHIA_LAYERS = 6;

/** The processed SAEs of Pythia 70m deduped, of a site. */
function pythiaSite(site: string, point: string): [string, Release] {
  const paths = Array.from(
    { length: PYTHIA_LAYERS },
    (_, layer) => [`blocks.${layer}.${point}`, `${layer}-${site}-sm`],
  );
  const embedding = site === "res" ? [["blocks.0.hook_resid_pre", "e-res-sm"]] : [];
  return [`pythia-70m-deduped-${site}-sm`, {
    repo: `ctigges/pythia-70m-deduped__${site}-sm_processed`,
    format: "sae_lens",
    saes: listed(Object.fromEntries([...embedding, ...paths])),
  }];
}

const pythia = (): Releases =>
  Object.fromEntries([
    pythiaSite("res", "hook_resid_post"),
    pythiaSite("mlp", "hook_mlp_out"),
    pythiaSite("att", "hook_attn_out"),
  ]);

/** SAE Bench's ids: the layer, the trainer, and the step where it isn't the last. */
const TRAINER = /^blocks\.(\d+)\.hook_resid_post__trainer_(\d+)(_step_\d+)?$/;

/** A sweep of SAE Bench in a folder of a repository. */
function sweep(repo: string, folder: string, layer: number): Release {
  return {
    repo,
    format: "dictionary_learning",
    saes: pattern(TRAINER, (_, layer, trainer, step) => {
      const steps = step ? "_checkpoints" : "";
      return `${folder}/resid_post_layer_${layer}${steps}/trainer_${trainer}${step ?? ""}`;
    }, [`blocks.${layer}.hook_resid_post__trainer_0`]),
  };
}

const gemmaBench = () =>
  ["topk", "vanilla"].flatMap((kind) =>
    ["2pow12", "2pow14", "2pow16"].map((width): [string, Release] => [
      `sae_bench_gemma-2-2b_${kind}_width-${width}_date-1109`,
      sweep(
        `canrager/saebench_gemma-2-2b_width-${width}_date-1109`,
        `gemma-2-2b_${kind}_width-${width}_date-1109`,
        12,
      ),
    ])
  );

const pythiaBench = () =>
  [
    "gated_ctx128_0730",
    "panneal_ctx128_0730",
    "standard_ctx128_0712",
    "topk_ctx128_0730",
  ].map((name): [string, Release] => [
    `sae_bench_pythia70m_sweep_${name}`,
    sweep("canrager/lm_sae", `pythia70m_sweep_${name}`, 3),
  ]);

const saeBench = (): Releases => ({
  ...Object.fromEntries([...gemmaBench(), ...pythiaBench()]),
  "saebench_gemma-2-2b_width-2pow12_date-0108": sweep(
    "adamkarvonen/saebench_gemma-2-2b_width-2pow12_date-0108",
    "MatryoshkaBatchTopK_gemma-2-2b__0108",
    12,
  ),
  ...Object.fromEntries(["2pow14", "2pow16"].map((width) => [
    `saebench_gemma-2-2b_width-${width}_date-0107`,
    sweep(
      `canrager/saebench_gemma-2-2b_width-${width}_date-0107`,
      `gemma-2-2b_matryoshka_batch_top_k_width-${width}_date-0107`,
      12,
    ),
  ])),
});

/** Rydal's SAEs of residual streams. */
function andyRdt(model: string, layer: number): Release {
  return {
    repo: `andyrdt/saes-${model}`,
    format: "dictionary_learning",
    saes: pattern(
      /^resid_post_layer_(\d+)_trainer_(\d+)$/,
      (_, layer, trainer) => `resid_post_layer_${layer}/trainer_${trainer}`,
      [`resid_post_layer_${layer}_trainer_${model.startsWith("gpt") ? 0 : 1}`],
    ),
  };
}

/** Chanin's matryoshka SAEs of residual streams. */
function matryoshka(repo: string, count: number, folder = ""): Release {
  return {
    repo: `chanind/${repo}`,
    format: "sae_lens",
    saes: layers(count, (layer) => [
      `blocks.${layer}.hook_resid_post`,
      `${folder}blocks.${layer}.hook_resid_post`,
    ]),
  };
}

const GEMMA_2_2B = "gemma-2-2b-batch-topk-matryoshka-saes-w-32k-l0-40";

const residuals = (): Releases => ({
  "llama-3.1-8b-instruct-andyrdt": andyRdt("llama-3.1-8b-instruct", 15),
  "qwen2.5-7b-instruct-andyrdt": andyRdt("qwen2.5-7b-instruct", 15),
  "gpt-oss-20b-andyrdt": andyRdt("gpt-oss-20b", 11),
  "gemma-2-2b-res-matryoshka-dc": matryoshka(GEMMA_2_2B, 25, "standard/"),
  "gemma-2-2b-res-snap-matryoshka-dc": matryoshka(GEMMA_2_2B, 25, "snap/"),
  "gemma-2-9b-res-matryoshka-dc": matryoshka(
    "gemma-2-9b-batch-topk-matryoshka-saes-w-32k-l0-60",
    41,
  ),
  "gemma-3-1b-res-matryoshka-dc": matryoshka(
    "gemma-3-1b-batch-topk-matryoshka-saes-w-32k-l0-40",
    25,
  ),
  "gemma-2b-res-jb": {
    repo: "jbloom/Gemma-2b-Residual-Stream-SAEs",
    format: "sae_lens",
    saes: listed({
      "blocks.0.hook_resid_post": "gemma_2b_blocks.0.hook_resid_post_16384_anthropic",
      "blocks.6.hook_resid_post": "gemma_2b_blocks.6.hook_resid_post_16384_anthropic_fast_lr",
      "blocks.10.hook_resid_post": "gemma_2b_blocks.10.hook_resid_post_16384",
      "blocks.12.hook_resid_post": "gemma_2b_blocks.12.hook_resid_post_16384",
      "blocks.17.hook_resid_post": "gemma_2b_blocks.17.hook_resid_post_16384",
    }),
    factors: { "blocks.12.hook_resid_post": 0.21381938399317255 },
  },
  "gemma-2b-it-res-jb": {
    repo: "jbloom/Gemma-2b-IT-Residual-Stream-SAEs",
    format: "sae_lens",
    saes: listed({
      "blocks.12.hook_resid_post": "gemma_2b_it_blocks.12.hook_resid_post_16384",
    }),
    cfg: OPENWEBTEXT,
  },
  "mistral-7b-res-wg": {
    repo: "JoshEngels/Mistral-7B-Residual-Stream-SAEs",
    format: "sae_lens",
    saes: listed(
      Object.fromEntries(
        [8, 16, 24].map((layer) => [`blocks.${layer}.hook_resid_pre`, `mistral_7b_layer_${layer}`]),
      ),
    ),
    cfg: { normalizeActivations: "constant_norm_rescale" },
  },
  "llama-3-8b-it-res-jh": {
    repo: "Juliushanhanhan/llama-3-8b-it-res",
    format: "sae_lens",
    saes: named("blocks.25.hook_resid_post"),
  },
  "deepseek-r1-distill-llama-8b-qresearch": {
    repo: "qresearch/DeepSeek-R1-Distill-Llama-8B-SAE-l19",
    format: "deepseek_r1",
    saes: listed({ "blocks.19.hook_resid_post": "DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt" }),
  },
  "goodfire-llama-3.3-70b-instruct": {
    repo: "Goodfire/Llama-3.3-70B-Instruct-SAE-l50",
    format: "goodfire",
    saes: listed({ layer_50: "Llama-3.3-70B-Instruct-SAE-l50.pt" }),
  },
  "goodfire-llama-3.1-8b-instruct": {
    repo: "Goodfire/Llama-3.1-8B-Instruct-SAE-l19",
    format: "goodfire",
    saes: listed({ layer_19: "Llama-3.1-8B-Instruct-SAE-l19.pth" }),
  },
  "temporal-sae-gemma-2-2b": {
    repo: "canrager/temporalSAEs",
    format: "temporal",
    saes: listed({ "blocks.12.hook_resid_post": "gemma-2-2B/layer_12/temporal" }),
    cfg: { metadata: { modelName: "gemma-2-2b", datasetPath: "monology/pile-uncopyrighted" } },
  },
  "temporal-sae-llama-3.1-8b": {
    repo: "canrager/temporalSAEs",
    format: "temporal",
    saes: listed({
      "blocks.15.hook_resid_post": "llama-3.1-8B/layer_15/temporal",
      "blocks.26.hook_resid_post": "llama-3.1-8B/layer_26/temporal",
    }),
    cfg: {
      metadata: {
        modelName: "meta-llama/Llama-3.1-8B",
        datasetPath: "monology/pile-uncopyrighted",
      },
    },
  },
});

/** Qwen Scope's repositories: model, width in thousands, most active features, layers. */
const QWEN_RUNS: readonly (readonly [model: string, width: number, k: number, layers: number])[] = [
  ["Qwen3-1.7B-Base", 32, 50, 28],
  ["Qwen3-1.7B-Base", 32, 100, 28],
  ["Qwen3-8B-Base", 64, 50, 36],
  ["Qwen3-8B-Base", 64, 100, 36],
  ["Qwen3-30B-A3B-Base", 32, 50, 48],
  ["Qwen3-30B-A3B-Base", 128, 100, 48],
  ["Qwen3.5-2B-Base", 32, 50, 24],
  ["Qwen3.5-2B-Base", 32, 100, 24],
  ["Qwen3.5-9B-Base", 64, 50, 32],
  ["Qwen3.5-9B-Base", 64, 100, 32],
  ["Qwen3.5-27B", 80, 50, 64],
  ["Qwen3.5-27B", 80, 100, 64],
  ["Qwen3.5-35B-A3B-Base", 32, 50, 40],
  ["Qwen3.5-35B-A3B-Base", 128, 100, 40],
];

const qwen = (): Releases =>
  Object.fromEntries(QWEN_RUNS.map(([model, width, k, count]) => {
    const name = model.replace("Qwen", "").toLowerCase();
    return [`qwen-scope-${name}-w${width}k-l${k}`, {
      repo: `Qwen/SAE-Res-${model}-W${width}K-L0_${k}`,
      format: "qwen_scope",
      saes: layers(count, (layer) => [`layer${layer}`, `layer${layer}.sae.pt`]),
    }];
  }));

/** Hanna's repositories of transcoders of Qwen 3, and their models' layers. */
const HANNA_RUNS: readonly (readonly [name: string, layers: number])[] = [
  ["qwen3-0.6b-transcoders-lowl0", 28],
  ["qwen3-1.7b-transcoders-lowl0", 28],
  ["qwen3-4b-transcoders", 36],
  ["qwen3-8b-transcoders", 36],
  ["qwen3-14b-transcoders", 40],
  ["qwen3-14b-transcoders-lowl0", 40],
];

const transcoders = (): Releases => ({
  ...Object.fromEntries(HANNA_RUNS.map(([name, count]): [string, Release] => [`mwhanna-${name}`, {
    repo: `mwhanna/${name}`,
    format: "mwhanna_transcoder",
    saes: layers(count, (layer) => [`layer_${layer}`, `layer_${layer}.safetensors`]),
  }])),
  "mntss-gemma-2-2b-2.5m-clt-as-per-layer": {
    repo: "mntss/clt-gemma-2-2b-2.5M",
    format: "mntss_clt_layer_transcoder",
    saes: layers(26, (layer) => [`layer_${layer}`, `${layer}`]),
  },
});

let made: Releases | undefined;

/** The releases by name. The table is made when somebody first asks. */
export function releases(): Releases {
  return made ??= {
    ...embedded(),
    ...gpt2(),
    ...pythia(),
    ...gemmaScope(),
    ...llamaScope(),
    ...saeBench(),
    ...residuals(),
    ...qwen(),
    ...transcoders(),
  };
}
