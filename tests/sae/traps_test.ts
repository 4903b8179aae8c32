// What SAELens does differently when SAEs are spliced (reference: SAELens 6.54, hooked_sae_transformer.py), and why this library
// does otherwise.

import { assert, assertEquals } from "@std/assert";
import { HookedSAE, Tensor } from "../../mod.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";

const IN = "blocks.1.hook_resid_mid";
const OUT = "blocks.1.hook_mlp_out";

function transcoder(): HookedSAE {
  return new HookedSAE({
    architecture: "transcoder",
    dIn: 16,
    dSae: 24,
    hookName: IN,
    hookNameOut: OUT,
    seed: 4,
  });
}

// SAELens keeps SAEs by the point they read, so the second of the two is never given its input and encodes the MLP's output instead.
Deno.test("A transcoder reads its own point although an SAE sits on it: the value that enters that SAE", () => {
  using model = tinyModel();
  using sae = tinySae(IN);
  using coder = transcoder();
  const saes = [sae, coder];
  const [, plain] = model.runWithCache(TOKENS);
  const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes });
  const raw = plain.get(IN);
  assertSameBits(cache.get(`${IN}.hook_sae_input`), raw);
  assertSameBits(cache.get(`${OUT}.hook_sae_input`), raw);
  assertSameBits(cache.get(`${OUT}.hook_sae_output`), coder.forward(raw));
  assert(differs(cache.get(`${OUT}.hook_sae_input`), cache.get(OUT)));
  using _saes = model.saes(saes);
  assertEquals([...model.actsToSaes.values()].map((module) => module === sae || module === coder), [
    true,
    true,
  ]);
});

// SAELens takes every hook of a transcoder's input along when the transcoder leaves, permanent ones too.
Deno.test("A transcoder that leaves takes no hook of its points along", () => {
  using model = tinyModel();
  using coder = transcoder();
  const seen: string[] = [];
  const note = (_: Tensor, { name }: { name: string }) => {
    seen.push(name);
  };
  model.addHook(IN, note);
  model.addPermaHook(OUT, note);
  model.runWithSaes(TOKENS, { saes: coder });
  model.addSae(coder);
  model.resetSaes();
  seen.length = 0;
  model.forward(TOKENS);
  assertEquals(seen, [IN, OUT]);
  model.resetHooks();
  seen.length = 0;
  model.forward(TOKENS);
  assertEquals(seen, [OUT]);
  model.resetHooks({ includingPermanent: true });
});

// SAELens up to 6.18 fails to make a model without MLPs.
Deno.test("A model of attention alone takes SAEs", () => {
  using model = tinyModel({ attnOnly: true });
  using sae = tinySae("blocks.1.attn.hook_z");
  const clean = model.forward(TOKENS).clone();
  assert(differs(model.runWithSaes(TOKENS, { saes: sae }), clean));
  assertSameBits(model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: true }), clean);
});

// SAELens leaves the model's names on an SAE that was spliced in.
Deno.test("An SAE that was spliced in has its own names again", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.1.hook_resid_pre");
  const names = [...sae.hookDict.keys()];
  model.runWithSaes(TOKENS, { saes: sae });
  assertEquals([...sae.hookDict.keys()], names);
  assertEquals(names.every((name) => name.startsWith("hook_sae_")), true);
  const seen: string[] = [];
  sae.addHook("hook_sae_acts_post", (_, { name }) => {
    seen.push(name);
  });
  sae.forward(Tensor.ones([1, 16]));
  assertEquals(seen, ["hook_sae_acts_post"]);
});
