/** Checkpoints that TransformerLens reads wrongly, or can't read (loading_from_pretrained.py). */

import { assert, assertEquals } from "@std/assert";
import { configFromHuggingFace } from "../../src/model/architectures/hugging_face.ts";
import { findNamedModel } from "../../src/model/architectures/named_models.ts";
import { readJson, readTensors } from "../_fixtures.ts";
import { loadRaw } from "../parity/_models.ts";
import { ruleOf } from "../parity/_compare.ts";
import { compareAll } from "../parity/_compare.ts";
import type { FixtureInfo } from "../_fixtures.ts";
import { tokenTensor } from "../parity/_observe.ts";
import type { Trap } from "./_trap.ts";

/** A checkpoint whose logits are transformers' here. */
function likeTransformers(folder: string, upstream: string, here: string): Trap {
  return {
    upstream,
    here,
    async show() {
      const name = `hf_truth/${folder}`;
      const info = await readJson<FixtureInfo>(name, "fixture.json");
      using model = await loadRaw(`${name}/model`);
      const got = new Map([["logits", model.forward(tokenTensor(info.tokens))]]);
      compareAll(name, got, await readTensors(name, "hf.safetensors"), ruleOf(info));
    },
  };
}

/** The configuration of a fixture's checkpoint with other keys. */
async function changed(folder: string, keys: Record<string, unknown>) {
  const json = await readJson<Record<string, unknown>>(`${folder}/model`, "config.json");
  return configFromHuggingFace({ ...json, ...keys });
}

/** The traps of families. */
export const FAMILY_TRAPS: readonly Trap[] = [
  likeTransformers(
    "bloom_heads_not_power_of_two",
    "alibi's slopes are wrong unless the number of heads is a power of two",
    "slopes between the powers of two, as the paper has them and checkpoints were trained",
  ),
  likeTransformers("gpt2_n_inner", "n_inner can't be loaded", "the MLP is as wide as its tensors"),
  likeTransformers(
    "gpt_neox_rotary_emb_base",
    "GPT-NeoX's rotary_emb_base is taken for 10000",
    "the base is what the file says",
  ),
  likeTransformers(
    "llama_attention_bias",
    "LLaMA's attention biases are left out",
    "a tensor of the checkpoint is either used or refused",
  ),
  likeTransformers(
    "llama_linear_rope_scaling",
    "LLaMA's linear scaling of rotation is left out",
    "rotation is stretched as the file says",
  ),
  likeTransformers(
    "qwen2_use_sliding_window",
    "Qwen 2's window is left out",
    "layers see the window that the file gives them",
  ),
  {
    upstream: "Gemma 1's MLPs take the exact GELU",
    here: "the tanh form, as transformers and training had it, whatever the file calls it",
    async show() {
      const cfg = await changed("gemma", { hidden_act: "gelu", hidden_activation: null });
      assertEquals(cfg.actFn, "gelu_pytorch_tanh");
    },
  },
  {
    upstream: "Gemma 3 27b's scores are divided by the root of d_head",
    here: "by that of query_pre_attn_scalar, 168",
    async show() {
      const cfg = await changed("gemma3", { query_pre_attn_scalar: 168 });
      assert(Math.abs(cfg.attnScale - Math.sqrt(168)) < 1e-12);
    },
  },
  {
    upstream: "the contexts of LLaMA 3.1, Mistral and Qwen 3 are cut to 2048 in silence",
    here: "a file's context is what it says; an official name brings TransformerLens' along",
    async show() {
      const cfg = await changed("mistral", { max_position_embeddings: 4096 });
      assertEquals(cfg.nCtx, 4096);
      assertEquals(findNamedModel("mistral-7b")?.nCtx, 2048);
    },
  },
  {
    upstream: "a key of config.json that isn't known is passed over",
    here: "it is an error that names it, unless it is known to change nothing",
    async show() {
      const refused = await changed("llama", { secret_sauce: 2 }).then(
        () => "",
        ({ message }: Error) => message,
      );
      assert(refused.includes("secret_sauce is an unknown key that may matter"), refused);
    },
  },
];
