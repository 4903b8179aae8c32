import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ConfigError,
  getOfficialModelName,
  HookedTransformer,
  UnknownPointError,
  WeightFileError,
} from "../../mod.ts";
import { findNamedModel, namedModels } from "../../src/model/architectures/named_models.ts";

Deno.test("getOfficialModelName() knows TransformerLens' names and aliases in any case", () => {
  const wanted = {
    "gpt2-small": "gpt2",
    "gpt2-xl": "gpt2-xl",
    "gpt2-xs": "distilgpt2",
    "stanford-gpt2-small-a": "stanford-crfm/alias-gpt2-small-x21",
    "neo": "EleutherAI/gpt-neo-125M",
    "tiny-stories-1L-21M": "roneneldan/TinyStories-1Layer-21M",
    "gptj": "EleutherAI/gpt-j-6B",
    "pythia": "EleutherAI/pythia-70m",
    "EleutherAI/pythia-19m": "EleutherAI/pythia-70m",
    "PYTHIA-160M-DEDUPED": "EleutherAI/pythia-160m-deduped",
    "neox": "EleutherAI/gpt-neox-20b",
    "opt": "facebook/opt-125m",
    "bloom-560m": "bigscience/bloom-560m",
    "llama-7b": "llama-7b-hf",
    "Llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-3.2-1B": "meta-llama/Llama-3.2-1B",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "gemma-2b-it": "google/gemma-2b-it",
    "gemma-2-9b": "google/gemma-2-9b",
    "gemma-3-270m": "google/gemma-3-270m",
    "phi-2": "microsoft/phi-2",
    "phi-3": "microsoft/Phi-3-mini-4k-instruct",
    "attn-only-2l-demo": "NeelNanda/Attn-Only-2L512W-Shortformer-6B-big-lr",
    "solu-1l": "NeelNanda/SoLU_1L512W_C4_Code",
  };
  for (const [name, official] of Object.entries(wanted)) {
    assertEquals(getOfficialModelName(name), official, name);
  }
  const error = assertThrows(() => getOfficialModelName("pythia-71m"), UnknownPointError);
  assertEquals(
    error.message,
    'There is no official model "pythia-71m". The nearest are "pythia-31m", "pythia-70m", "pythia-14m".',
  );
});

Deno.test("no two models share a name", () => {
  const owners = new Map<string, string>();
  for (const { name, aliases } of namedModels()) {
    for (const alias of new Set([name, ...aliases].map((known) => known.toLowerCase()))) {
      assertEquals(owners.get(alias), undefined, alias);
      owners.set(alias, name);
    }
  }
  // TransformerLens 3.9 has as many.
  assertEquals(namedModels().length, 249);
});

Deno.test("a name brings the context that TransformerLens gives its model", () => {
  assertEquals(findNamedModel("tiny-stories-33M")?.nCtx, 512);
  assertEquals(findNamedModel("mistral-7b")?.nCtx, 2048);
  assertEquals(findNamedModel("Llama-2-7b")?.nCtx, 4096);
  assertEquals(findNamedModel("gpt2")?.nCtx, undefined);
});

Deno.test("fromPretrained() says of a known name why its model can't be loaded", async () => {
  const load = (name: string) => () => HookedTransformer.fromPretrained(name);
  assertEquals(
    (await assertRejects(load("llama-7b-hf"), WeightFileError)).message,
    'Cannot load "llama-7b-hf": no hub has it. Give the path or URL of a folder with its files.',
  );
  assertEquals(
    (await assertRejects(load("olmo-1b"), ConfigError)).message,
    'Cannot load "olmo-1b", which is allenai/OLMo-1B-hf: models of the family OLMo aren\'t supported.',
  );
  assert(findNamedModel("gpt3") === undefined);
});
