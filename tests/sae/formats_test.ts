import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError, SAE, Tensor, UnknownPointError, WeightFileError } from "../../mod.ts";
import { SAE_FORMATS, type SaeFormatName } from "../../src/sae/formats/registry.ts";
import { splitLocation } from "../../src/sae/read.ts";
import { releases } from "../../src/sae/releases/table.ts";
import type { WeightArray } from "../../src/weights/state_dict.ts";
import { fixtureFolders, fixtureUrl, openFixture, readJson } from "../_fixtures.ts";
import { COMMIT, serveHub } from "../hub/_hub_server.ts";
import { loadFormat } from "../parity/_sae_formats.ts";
import { bytesOf, safetensors, type Written } from "../weights/_files.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => encode(JSON.stringify(value));

function assertSameSae(got: SAE, want: SAE): void {
  const { metadata: _got, ...gotCfg } = got.cfg;
  const { metadata: _want, ...wantCfg } = want.cfg;
  assertEquals(gotCfg, wantCfg);
  const values = (sae: SAE) => [...sae.stateDict()].map(([name, t]) => [name, t.data()] as const);
  assertEquals(new Map(values(got)), new Map(values(want)));
}

/** Asserts that a promise rejects with an error of this class and text. */
async function assertFails(
  body: () => Promise<unknown>,
  errorClass: new (message?: string) => Error,
  message: string,
): Promise<void> {
  assertEquals((await assertRejects(body, errorClass)).message, message);
}

interface FormatInfo {
  readonly loader: string;
  readonly repo_id: string;
  readonly folder_name: string;
}

/** Formats that their files leave no doubt of. */
const UNDOUBTED = new Set(
  Object.entries(SAE_FORMATS).filter(([, format]) => "isHere" in format).map(([name]) => name),
);

for (const name of fixtureFolders("sae_formats")) {
  const folder = `sae_formats/${name}`;
  Deno.test(`SAE.fromDisk() of ${name} finds the format where the files leave no doubt of it`, async () => {
    const info = await readJson<FormatInfo>(folder, "fixture.json");
    // The files' own folder, as one has it on disk.
    const place = new URL(`repo/${info.folder_name}`, fixtureUrl(folder));
    const options = {
      repo: info.repo_id,
      cfg: info.loader === "qwen_scope" ? { k: 5 } : {},
    };
    if (UNDOUBTED.has(info.loader)) {
      using found = await SAE.fromDisk(place, options);
      using told = await loadFormat(folder);
      assertSameSae(found, told);
    } else {
      const error = await assertRejects(() => SAE.fromDisk(place, options), WeightFileError);
      assertEquals(
        error.message.split(": pass")[0],
        `Cannot tell the format of the SAE "${info.folder_name}" in ${
          fixtureUrl(`${folder}/repo`)
        }`,
      );
    }
  });
}

for (const name of fixtureFolders("sae_formats")) {
  Deno.test(`SAE.fromDisk() finds the one SAE of ${name} in its repository's folder`, async () => {
    const folder = `sae_formats/${name}`;
    const { loader, repo_id } = await readJson<FormatInfo>(folder, "fixture.json");
    const format = loader as SaeFormatName;
    const cfg = loader === "qwen_scope" ? { k: 5 } : {};
    using found = await SAE.fromDisk(fixtureUrl(`${folder}/repo`), { format, repo: repo_id, cfg });
    using told = await loadFormat(folder);
    assertSameSae(found, told);
    assertEquals(found.cfg.hookName, told.cfg.hookName);
  });
}

Deno.test("SAE.fromDisk() asks which SAE is meant in a folder of several", async () => {
  const place = fixtureUrl("sae_formats");
  await assertFails(
    () => SAE.fromDisk(place, { format: "dictionary_learning" }),
    WeightFileError,
    `Cannot choose among the 5 SAEs in ${fixtureUrl(".")}: pass { path }, such as ` +
      ["batchtopk", "gated", "jumprelu", "standard", "topk"].map((kind) =>
        `"sae_formats/dictionary_learning_${kind}/repo/resid_post_layer_1/${kind}"`
      ).join(", "),
  );
});

Deno.test("SAE.fromDisk() reads a layout from a folder whose names tell what the repository's would", async () => {
  using sae = await SAE.fromDisk(
    fixtureUrl("sae_formats/gemma_2_att_npz/repo/layer_1/width_16k/average_l0_18"),
  );
  assertEquals(sae.cfg.hookName, "blocks.1.attn.hook_z");
  assertEquals(sae.cfg.reshapeActivations, "hook_z");
});

Deno.test("SAE.fromDisk() asks for the hook point where no name tells it", async () => {
  const params = await openFixture(
    "sae_formats/gemma_2_res_npz/repo/layer_1/width_16k/average_l0_71",
  )
    .read("params.npz");
  const files = new Map([["params.npz", params]]);
  await assertFails(
    () => SAE.fromDisk(files),
    ConfigError,
    'Cannot tell where the SAE "memory" belongs: the names of its folders don\'t say the hook point. ' +
      'Pass { cfg: { hookName: "blocks.1.hook_resid_post" } }.',
  );
  using sae = await SAE.fromDisk(files, {
    cfg: { hookName: "blocks.3.hook_resid_post", metadata: { modelName: "gemma-2-2b" } },
  });
  assertEquals(sae.cfg.hookName, "blocks.3.hook_resid_post");
  assertEquals(sae.cfg.metadata.modelName, "gemma-2-2b");
});

Deno.test("SAE.fromDisk() refuses formats that it doesn't know, and files of another", async () => {
  const place = fixtureUrl("sae/standard");
  await assertFails(
    // deno-lint-ignore no-explicit-any -- A caller without types.
    () => SAE.fromDisk(place, { format: "gemma2" as any }),
    ConfigError,
    'There is no SAE format "gemma2". Did you mean "gemma_2", "gemma_3", "temporal"?',
  );
  await assertFails(
    () => SAE.fromDisk(place, { format: "gemma_2" }),
    WeightFileError,
    `Cannot read "standard/params.npz" in ${fixtureUrl("sae")}: there is no such file`,
  );
});

Deno.test("SAE.fromDisk() overrides what SAELens' own files say", async () => {
  using sae = await SAE.fromDisk(fixtureUrl("sae_legacy/v3_standard_resid"), {
    cfg: { normalizeActivations: "layer_norm", metadata: { modelName: "mine" } },
  });
  assertEquals(sae.cfg.normalizeActivations, "layer_norm");
  assertEquals(sae.cfg.metadata.modelName, "mine");
  assertEquals(sae.cfg.metadata.contextSize, 128);
});

/** A float32 tensor for a file. */
const written = ({ shape, data }: WeightArray): Written => ({
  dtype: "F32",
  shape,
  bytes: bytesOf(Float32Array.from(data)),
});
const arrayOf = (tensor: Tensor): WeightArray => ({
  shape: tensor.shape,
  data: tensor.data() as Float32Array,
});

/** A file of an SAE's parameters under other names, some of them turned. */
function fileOf(sae: SAE, names: Readonly<Record<string, string | [string, "turned"]>>) {
  const tensors = [...sae.stateDict()].map(([name, tensor]) => {
    const spec = names[name] ?? name;
    const [as, isTurned] = typeof spec === "string" ? [spec, false] : [spec[0], true];
    return [as, written(arrayOf(isTurned ? tensor.transpose() : tensor))] as const;
  });
  return safetensors(Object.fromEntries(tensors));
}

Deno.test("SAE.fromDisk() reads temporal SAEs as their authors publish them", async () => {
  using tied = await SAE.fromDisk(fixtureUrl("sae/temporal"));
  const conf = `llm:\n  dimin: 48\nsae:\n  exp_factor: 0.8\n  n_heads: 4\n  n_attn_layers: 1\n` +
    `  bottleneck_factor: 2\n  sae_diff_type: topk\n  kval_topk: 5\n  tied_weights: true\n` +
    `  scaling_factor: 0.6\ndata:\n  dtype: float32\n`;
  using sae = await SAE.fromDisk(
    new Map([
      ["layer_1/temporal/conf.yaml", encode(conf)],
      ["layer_1/temporal/latest_ckpt.safetensors", fileOf(tied, { W_dec: "D", b_dec: "b" })],
    ]),
    { path: "layer_1/temporal" },
  );
  assertEquals(sae.cfg.hookName, "blocks.1.hook_resid_post");
  const x = Tensor.randn([2, 6, 48], { seed: 1 });
  assertEquals(sae.forward(x).data(), tied.forward(x).data());

  using untied = await SAE.fromDisk(fixtureUrl("sae/temporal_untied_relu"));
  const other = conf.replace("tied_weights: true", "tied_weights: false")
    .replace("n_heads: 4", "n_heads: 2").replace("bottleneck_factor: 2", "bottleneck_factor: 4")
    .replace("sae_diff_type: topk", "sae_diff_type: relu").replace(
      "scaling_factor: 0.6",
      "scaling_factor: 1",
    )
    .replace("kval_topk: 5", "kval_topk: null");
  for (const encoder of ["E", ["E", "turned"]] as const) {
    using sae = await SAE.fromDisk(
      new Map([
        ["layer_1/conf.yaml", encode(other)],
        [
          "layer_1/latest_ckpt.safetensors",
          fileOf(untied, { W_dec: "D", b_dec: "b", W_enc: encoder as string | [string, "turned"] }),
        ],
      ]),
      { path: "layer_1" },
    );
    assertEquals(sae.W_enc.data(), untied.W_enc.data());
  }
});

Deno.test("SAE.fromDisk() reads Llama Scope's thresholds a feature", async () => {
  using jumprelu = await SAE.fromDisk(fixtureUrl("sae/jumprelu"));
  const weights = jumprelu.stateDict();
  const threshold = jumprelu.threshold.abs().add(0.1);
  const named = {
    "encoder.weight": weights.get("W_enc")!.transpose(),
    "encoder.bias": weights.get("b_enc")!,
    "decoder.weight": weights.get("W_dec")!.transpose(),
    "decoder.bias": weights.get("b_dec")!,
    "log_jumprelu_threshold": threshold.log(),
  };
  const file = safetensors(
    Object.fromEntries(Object.entries(named).map(([name, t]) => [name, written(arrayOf(t))])),
  );
  using sae = await SAE.fromDisk(
    new Map([
      ["config.json", json({ hook_point_in: "blocks.4.hook_resid_post", d_model: 48 })],
      ["sae_weights.safetensors", file],
    ]),
  );
  assertEquals(sae.cfg.hookName, "blocks.4.hook_resid_post");
  assertEquals(sae.cfg.normalizeActivations, "expected_average_only_in");
  assertEquals(sae.W_enc.data(), jumprelu.W_enc.data());
  assertEquals(sae.threshold.allClose(threshold), true);
});

/** A folder of sparsify with a decoder that lies one way or the other. */
function sparsifyFolder(
  { isTurned = false, ...cfg }: { isTurned?: boolean; [key: string]: unknown },
) {
  const random = (shape: number[], seed: number) => Tensor.randn(shape, { seed });
  const decoder = random([10, 6], 2);
  const tensors = {
    "encoder.weight": random([10, 6], 1),
    "W_dec": isTurned ? decoder.transpose() : decoder,
    "b_dec": random([6], 3),
  };
  return new Map([
    ["run/config.json", json({ model: "org/model", dataset: "org/data", ctx_len: 64 })],
    ["run/layers.2/cfg.json", json({ d_in: 6, k: 3, expansion_factor: 2, ...cfg })],
    [
      "run/layers.2/sae.safetensors",
      safetensors(
        Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, written(arrayOf(t))])),
      ),
    ],
  ]);
}

Deno.test("SAE.fromDisk() reads sparsify's decoder whichever way it lies, its signed codes, and the run's configuration", async () => {
  const path = "run/layers.2";
  using plain = await SAE.fromDisk(sparsifyFolder({}), { path });
  using turned = await SAE.fromDisk(sparsifyFolder({ isTurned: true }), { path });
  assertSameSae(turned, plain);
  assertEquals(plain.cfg.architecture, "topk");
  assertEquals(plain.cfg.applyBDecToInput, true);
  assertEquals(plain.b_enc.data(), new Float32Array(10));
  const { modelName, contextSize, datasetPath, hookName } = plain.cfg.metadata;
  assertEquals([modelName, contextSize, datasetPath, hookName], [
    "org/model",
    64,
    "org/data",
    "blocks.2.hook_resid_post",
  ]);
  using signed = await SAE.fromDisk(sparsifyFolder({ signed: true }), { path });
  assertEquals(signed.cfg.architecture, "abstopk");
  await assertFails(
    () => SAE.fromDisk(sparsifyFolder({ activation: "groupmax", transcode: true }), { path }),
    ConfigError,
    'Cannot use the SAE config "run/layers.2/cfg.json": activation is "groupmax", wanted "topk"; nearest is "topk"; ' +
      "transcode is true, wanted false",
  );
});

Deno.test("SAE.fromDisk() names what a publisher's files lack", async () => {
  const { trainer, ...rest } = { trainer: { dict_class: "AutoEncoder", layer: 1, lm_name: "x/y" } };
  const pt = await openFixture(
    "sae_formats/dictionary_learning_gated/repo/resid_post_layer_1/gated",
  )
    .read("ae.pt");
  const folder = (config: unknown) => new Map([["config.json", json(config)], ["ae.pt", pt]]);
  await assertFails(
    () => SAE.fromDisk(folder({ trainer, ...rest })),
    WeightFileError,
    'Cannot use "ae.pt": it has no "b_enc" or "encoder.bias"; it has ' +
      '"decoder_bias", "encoder.weight", "r_mag", "gate_bias", "mag_bias", "decoder.weight"',
  );
  await assertFails(
    () => SAE.fromDisk(folder({ trainer: { ...trainer, dict_class: "Crosscoder" } })),
    ConfigError,
    'Cannot use the SAE config "config.json": dict_class is "Crosscoder", wanted "AutoEncoder", "AutoEncoderTopK", ' +
      '"GatedAutoEncoder", "BatchTopKSAE", "MatryoshkaBatchTopKSAE" or "JumpReluAutoEncoder"; nearest is "AutoEncoder"',
  );
  await assertFails(
    () => SAE.fromDisk(folder({})),
    ConfigError,
    'Cannot use the SAE config "config.json": trainer is missing, wanted an object',
  );
});

Deno.test("splitLocation() parts a folder or file from where it lies", () => {
  const split = (location: string | URL) => {
    const found = splitLocation(location);
    return found && [String(found.root), found.path];
  };
  assertEquals(split("a/b/c"), ["a/b/", "c"]);
  assertEquals(split("/a/b/"), ["/a/", "b"]);
  assertEquals(split("x.pt"), [".", "x.pt"]);
  assertEquals(split("C:\\models\\x.pt"), ["C:\\models\\", "x.pt"]);
  assertEquals(split("file:///a/b%20c/"), ["file:///a/", "b c"]);
  assertEquals(split(new URL("https://host/a/b?token=1")), ["https://host/a/?token=1", "b"]);
  for (const whole of ["", ".", "..", "/", "a/..", "C:\\", "https://host/"]) {
    assertEquals(split(whole), undefined, whole);
  }
});

// --- releases ---

/** A hub with one repository, and a cache of its own. */
async function hub(repo: string, files: ReadonlyMap<string, Uint8Array>) {
  const cacheDir = await Deno.makeTempDir({ prefix: "splicer_hub_" });
  const server = serveHub({ [repo]: files });
  return {
    options: { endpoint: server.endpoint, cacheDir, token: "secret" },
    asked: server.asked,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(cacheDir, { recursive: true });
    },
  };
}

/** The files of a folder of fixtures under other names. */
async function filesOf(folder: string, names: Readonly<Record<string, string>>) {
  const source = openFixture(folder);
  const read = async ([from, to]: [string, string]) => [to, await source.read(from)] as const;
  return new Map(await Promise.all(Object.entries(names).map(read)));
}

const KK =
  "gpt2-small_L1_Hcat_z_lr1.20e-03_l18.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v5";

Deno.test("SAE.fromPretrained() loads a release from the hub by SAELens' names", async () => {
  const folder = "sae_formats/connor_rob_hook_z";
  const { folder_name: file } = await readJson<FormatInfo>(folder, "fixture.json");
  await using server = await hub(
    "ckkissane/attn-saes-gpt2-small-all-layers",
    await filesOf(`${folder}/repo`, {
      [file]: `${KK}.pt`,
      [file.replace(".pt", "_cfg.json")]: `${KK}_cfg.json`,
    }),
  );
  using sae = await SAE.fromPretrained("gpt2-small-hook-z-kk", "blocks.1.hook_z", server.options);
  using want = await loadFormat(folder);
  assertSameSae(sae, want);
  assertEquals(sae.cfg.hookName, "blocks.1.attn.hook_z");
  assertEquals(
    new Set(server.asked.filter((request) => !request.isContent).map((r) => r.authorization)),
    new Set(["Bearer secret"]),
  );
});

Deno.test("SAE.fromPretrained() folds the scale of a release's activations", async () => {
  const folder = "sae_formats/llama_scope/repo/Llama3_1-8B-Base-L1R-8x";
  const names = ["hyperparams.json", "checkpoints/final.safetensors"];
  const under = Object.fromEntries(names.map((name) => [name, `Llama3_1-8B-Base-L1R-8x/${name}`]));
  await using server = await hub("fnlp/Llama3_1-8B-Base-LXR-8x", await filesOf(folder, under));
  using sae = await SAE.fromPretrained("llama_scope_lxr_8x", "l1r_8x", server.options);
  using want = await loadFormat("sae_formats/llama_scope");
  want.foldActivationNormScalingFactor(Math.sqrt(24) / 7.3);
  assertEquals(sae.cfg, want.cfg);
  assertEquals(sae.W_enc.allClose(want.W_enc, { rtol: 1e-6 }), true);
  assertEquals(sae.W_dec.allClose(want.W_dec, { rtol: 1e-6 }), true);
  assertEquals(sae.b_dec.allClose(want.b_dec, { rtol: 1e-6 }), true);
});

Deno.test("SAE.fromPretrained() loads a repository of the hub by its id, at a revision", async () => {
  const names = ["cfg.json", "sae_weights.safetensors"];
  await using server = await hub(
    "me/my-saes",
    await filesOf(
      "sae/standard",
      Object.fromEntries(names.map((name) => [name, `layer 1/${name}`])),
    ),
  );
  const options = { ...server.options, revision: COMMIT };
  using sae = await SAE.fromPretrained("me/my-saes", "layer 1", options);
  using want = await SAE.fromDisk(fixtureUrl("sae/standard"));
  assertSameSae(sae, want);
  await assertFails(
    () => SAE.fromPretrained("me/my-saes", "layer 2", options),
    WeightFileError,
    `Cannot tell the format of the SAE "layer 2" in me/my-saes: pass { format }, one of ` +
      '"sae_lens", "connor_rob_hook_z", "gemma_2", "gemma_2_transcoder", "gemma_3", "llama_scope", ' +
      '"llama_scope_r1_distill", "dictionary_learning", "dictionary_learning_1", "qwen_scope", "sparsify", ' +
      '"mwhanna_transcoder", "mntss_clt_layer_transcoder", "goodfire", "deepseek_r1" or "temporal". ' +
      'SAELens\' folders hold "cfg.json" and "sae_weights.safetensors": is the path right?',
  );
});

Deno.test("SAE.fromPretrainedWithCfgAndSparsity() gives what the files say of the features", async () => {
  const names = ["cfg.json", "sae_weights.safetensors"];
  const files = new Map<string, Uint8Array>(
    await filesOf("sae/standard", Object.fromEntries(names.map((name) => [name, `a/${name}`]))),
  );
  const logs = Array.from({ length: 40 }, (_, f) => -f / 8);
  files.set(
    "a/sparsity.safetensors",
    safetensors({ sparsity: written({ shape: [40], data: Float32Array.from(logs) }) }),
  );
  await using server = await hub("me/mine", files);
  const [sae, cfg, sparsity] = await SAE.fromPretrainedWithCfgAndSparsity(
    "me/mine",
    "a",
    server.options,
  );
  using _sae = sae;
  assertEquals(cfg, sae.cfg);
  assertEquals(sparsity?.toArray(), logs);
  const [embedded, , none] = await SAE.fromPretrainedWithCfgAndSparsity(
    "ioi-tiny-hook-z",
    "blocks.0.hook_z",
  );
  using _embedded = embedded;
  assertEquals(none, null);
});

Deno.test("SAE.fromPretrained() lays what a release knows over its files", async () => {
  const names = ["cfg.json", "sae_weights.safetensors"];
  const files = await filesOf(
    "sae_legacy/v3_standard_resid",
    Object.fromEntries(names.map((name) => [name, `blocks.1.hook_resid_pre/${name}`])),
  );
  await using server = await hub("jbloom/GPT2-Small-SAEs-Reformatted", files);
  using sae = await SAE.fromPretrained(
    "gpt2-small-res-jb",
    "blocks.1.hook_resid_pre",
    server.options,
  );
  assertEquals(sae.cfg.metadata.modelFromPretrainedKwargs, { center_writing_weights: true });
});

Deno.test("SAE.fromPretrained() names the releases and SAEs nearest to one that isn't there", async () => {
  await assertFails(
    () => SAE.fromPretrained("gpt2-small-hook-z", "blocks.5.hook_z"),
    UnknownPointError,
    'There is no SAE release "gpt2-small-hook-z". Did you mean "gpt2-small-hook-z-kk", "gpt2-small-res-jb", ' +
      '"gpt2-small-mlp-tm"? For SAEs in a folder of your own, use SAE.fromDisk(folder); for a repository of the hub, ' +
      'its id "owner/name".',
  );
  await assertFails(
    () => SAE.fromPretrained("gpt2-small-hook-z-kk", "blocks.5.attn.hook_z"),
    UnknownPointError,
    'The SAE release "gpt2-small-hook-z-kk" has no "blocks.5.attn.hook_z". Did you mean "blocks.5.hook_z", ' +
      '"blocks.0.hook_z", "blocks.1.hook_z"?',
  );
  await assertFails(
    () => SAE.fromPretrained("gemma-scope-2b-pt-res", "layer_3/average_l0_59"),
    UnknownPointError,
    'The SAE release "gemma-scope-2b-pt-res" has no "layer_3/average_l0_59". Did you mean ' +
      '"layer_12/width_16k/average_l0_82", "embedding/width_4k/average_l0_44"?',
  );
  await assertFails(
    () => SAE.fromPretrained("a/b/c", "x"),
    ConfigError,
    'Cannot open the repository "a/b/c": expected an id "owner/name".',
  );
});

Deno.test("Every release says where its files are, and its examples are of it", () => {
  for (const [name, { repo, location, saes, factors = {} }] of Object.entries(releases())) {
    assertEquals(/^[\w.-]+\/[\w.-]+$/.test(repo ?? ""), location === undefined, name);
    for (const id of [...saes.examples, ...Object.keys(factors)]) {
      assertEquals(typeof saes.path(id), "string", `${name} ${id}`);
    }
  }
  const path = (release: string, id: string) => releases()[release].saes.path(id);
  assertEquals(
    path("gemma-scope-2b-pt-res-canonical", "layer_12/width_16k/canonical"),
    "layer_12/width_16k/average_l0_82",
  );
  assertEquals(
    path("gemma-scope-9b-pt-mlp-canonical", "layer_41/width_131k/canonical"),
    "layer_41/width_131k/average_l0_99",
  );
  assertEquals(
    path("gemma-scope-2-1b-pt-res-all", "layer_3_width_16k_l0_small"),
    "resid_post_all/layer_3_width_16k_l0_small",
  );
  assertEquals(path("pythia-70m-deduped-res-sm", "blocks.0.hook_resid_pre"), "e-res-sm");
  assertEquals(
    path("sae_bench_pythia70m_sweep_topk_ctx128_0730", "blocks.4.hook_resid_post__trainer_7"),
    "pythia70m_sweep_topk_ctx128_0730/resid_post_layer_4/trainer_7",
  );
  assertEquals(
    path(
      "sae_bench_gemma-2-2b_topk_width-2pow12_date-1109",
      "blocks.5.hook_resid_post__trainer_5_step_9765",
    ),
    "gemma-2-2b_topk_width-2pow12_date-1109/resid_post_layer_5_checkpoints/trainer_5_step_9765",
  );
});
