/** Splicing SAEs (SAELens' hooked_sae_transformer.py). */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { HookedSAE, HookedSAETransformer, SAE, Tensor, UnknownPointError } from "../../mod.ts";
import { fixtureUrl, readTensors } from "../_fixtures.ts";
import { loadFormat } from "../parity/_sae_formats.ts";
import { assertSameBits, differs, tinyModel, tinySae, TOKENS } from "../session/_models.ts";
import type { Trap } from "./_trap.ts";

const Z = "blocks.0.attn.hook_z";
const RESID = "blocks.1.hook_resid_pre";
const IN = "blocks.1.hook_resid_mid";
const OUT = "blocks.1.hook_mlp_out";
const IDS = Tensor.from(TOKENS, undefined, "int32");

function transcoder(architecture: "transcoder" | "skip_transcoder" = "transcoder"): HookedSAE {
  return new HookedSAE({
    ...{ architecture, dIn: 16, dSae: 24, hookName: IN, hookNameOut: OUT, seed: 4 },
  });
}

/** The traps of splicing. */
export const SAE_TRAPS: readonly Trap[] = [
  {
    upstream: "add_sae() at a point that isn't there warns and goes on without the SAE",
    here: "it is an error with the nearest names: no run should be mistaken for a spliced one",
    show() {
      using model = tinyModel();
      using sae = tinySae("blocks.7.hook_resid_pre");
      assertThrows(
        () => model.addSae(sae),
        UnknownPointError,
        'Did you mean "blocks.0.hook_resid_pre"',
      );
      assertEquals(model.actsToSaes.size, 0);
    },
  },
  {
    upstream: "the raw point is gone while an SAE sits on it",
    here: "it stays, as the value that enters the SAE: notebooks look for z there",
    show() {
      using model = tinyModel();
      using sae = tinySae(Z);
      const [, plain] = model.runWithCache(TOKENS);
      const [, cache] = model.runWithCacheWithSaes(TOKENS, { saes: sae });
      assertSameBits(cache.get("z", 0), plain.get("z", 0));
      assertSameBits(cache.stackActivation("z").at(0), plain.get("z", 0));
      const [whole, heads] = [cache.get("resid_post", 0), cache.stackHeadResults(1)];
      assertEquals(heads.shape, [2, ...whole.shape]);
    },
  },
  {
    upstream: "the error node has no gradient",
    here: "it has the output's, to which it is added: errors can be attributed like features",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const points = [`${RESID}.hook_sae_error`, `${RESID}.hook_sae_output`];
      const [, cache] = model.runWithCacheWithSaes(TOKENS, {
        ...{ saes: sae, useErrorTerm: true, returnType: "loss", inclBwd: true },
        namesFilter: points,
      });
      const [atError, atOutput] = points.map((name) => cache.get(`${name}_grad`));
      assertSameBits(atError, atOutput);
      assert(atError.abs().max().item() > 0);
    },
  },
  {
    upstream:
      "with the error term encoder and decoder run twice, and the output is x up to rounding",
    here: "nothing was edited, so the output is x itself: every bit of the logits stays",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const clean = model.forward(TOKENS).clone();
      const plain = model.ran.multiplyAdds;
      assertSameBits(model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: true }), clean);
      assert(model.ran.multiplyAdds <= plain, "neither encoder nor decoder ran");
    },
  },
  {
    upstream: "run_with_hooks_with_saes() doesn't take use_error_term",
    here: "all runs with SAEs take the same options",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const options = { saes: sae, useErrorTerm: true, fwdHooks: [] };
      assertSameBits(model.runWithHooksWithSaes(TOKENS, options), model.forward(TOKENS));
    },
  },
  {
    upstream: "(a) two SAEs at one point: the wrong one stays attached afterwards",
    here: "splices are undone last in first out, so what was there is there again",
    show() {
      using model = tinyModel();
      const [a, b] = [1, 2].map((seed) => tinySae(RESID, { seed }));
      model.addSae(a);
      const before = model.forward(TOKENS).clone();
      model.runWithSaes(TOKENS, { saes: [b, a] });
      assertStrictEquals(model.actsToSaes[RESID], a);
      assertSameBits(model.forward(TOKENS), before);
    },
  },
  {
    upstream: "(b) an SAE that was spliced in keeps the model's names",
    here: "the names are the splice's: alone, an SAE has its own",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const names = [...sae.hookDict.keys()];
      model.runWithSaes(TOKENS, { saes: sae });
      assertEquals([...sae.hookDict.keys()], names);
      const [, cache] = sae.runWithCache(Tensor.ones([1, 16]));
      assertEquals([...cache.keys()].every((name) => name.startsWith("hook_sae_")), true);
    },
  },
  {
    upstream: "(c) a splice takes the hooks of its point away for good, permanent ones too",
    here: "hooks belong to the point: they see the raw value under the splice, and stay after it",
    show() {
      using model = tinyModel();
      const seen: string[] = [];
      model.addPermaHook(RESID, (_, { name }) => void seen.push(name));
      using sae = tinySae(RESID);
      model.runWithSaes(TOKENS, { saes: sae });
      model.forward(TOKENS);
      assertEquals(seen, [RESID, RESID]);
      model.resetHooks({ includingPermanent: true });
    },
  },
  {
    upstream: "(d) a transcoder whose input has an SAE of its own encodes the MLP's output instead",
    here: "it reads its own point: the value that enters that SAE",
    show() {
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
      const attached = [...model.actsToSaes.values()];
      assertEquals(attached.map((module) => module === sae || module === coder), [true, true]);
    },
  },
  {
    upstream: "(e) a transcoder that leaves takes all hooks of its input along",
    here: "it takes none along: they aren't its own",
    show() {
      using model = tinyModel();
      using coder = transcoder();
      const seen: string[] = [];
      const note = (_: Tensor, { name }: { name: string }) => void seen.push(name);
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
    },
  },
  {
    upstream: "(f) a spliced skip transcoder loses W_skip",
    here: "spliced in it is what forward() is, skip connection and all",
    async show() {
      for (const kind of ["skip_transcoder", "jumprelu_skip_transcoder"]) {
        using sae = await SAE.fromDisk(fixtureUrl(`sae/${kind}`));
        using model = await HookedSAETransformer.fromPretrained(fixtureUrl("gpt2/model"));
        const tokens = [[7, 8, 9, 10], [3, 2, 1, 4]];
        const [, cache] = model.runWithCacheWithSaes(tokens, { saes: sae });
        const part = (name: string) => cache.get(`${sae.cfg.hookNameOut}.hook_sae_${name}`);
        assertSameBits(part("output"), sae.forward(part("input")));
        const skipped = part("input").matmul(sae.W_skip.transpose());
        assert(skipped.abs().max().item() > 1);
        assert(part("output").allClose(part("recons").add(skipped), { atol: 1e-5, rtol: 1e-5 }));
      }
    },
  },
  {
    upstream: "(f) a spliced temporal SAE isn't its forward() either",
    here:
      "so it is here: the novel codes are what edits reach, and the error term carries the rest",
    async show() {
      using sae = await SAE.fromDisk(fixtureUrl("sae/temporal"));
      using model = await HookedSAETransformer.fromPretrained(fixtureUrl("gpt2/model"));
      const [, cache] = model.runWithCacheWithSaes([[7, 8, 9, 10]], { saes: sae });
      const part = (name: string) => cache.get(`${sae.cfg.hookName}.hook_sae_${name}`);
      assertSameBits(part("output"), sae.decode(sae.encode(part("input"))));
      assert(differs(part("output"), sae.forward(part("input"))));
    },
  },
  {
    upstream: "(g) while generating no special token is excluded",
    here: "tokens are known at every step, so each is excluded as in a run over the whole text",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const spliced = { saes: sae, excludeSpecialTokens: [1, 5] };
      const generated = model.generate(IDS, {
        ...{ maxNewTokens: 4, doSample: false, stopAtEos: false, outputLogits: true },
        ...spliced,
      });
      const whole = model.runWithSaes(generated.sequences, spliced);
      generated.logits.forEach((logits, step) => assertSameBits(logits, whole.at(":", 5 + step)));
      const included = model.runWithSaes(generated.sequences, { saes: sae });
      assert(differs(whole, included));
    },
  },
  {
    upstream: "(h) a model without MLPs can't be made",
    here: "attention alone takes SAEs as well",
    show() {
      using model = tinyModel({ attnOnly: true });
      using sae = tinySae(Z);
      const clean = model.forward(TOKENS).clone();
      assert(differs(model.runWithSaes(TOKENS, { saes: sae }), clean));
      assertSameBits(model.runWithSaes(TOKENS, { saes: sae, useErrorTerm: true }), clean);
    },
  },
  {
    upstream: "(i) attaching and leaving walk over all modules of the model",
    here: "a splice is an entry beside the model: its points' objects stay the ones that they were",
    show() {
      using model = tinyModel();
      using sae = tinySae(RESID);
      const before = model.hookDict.get(Z);
      model.addSae(sae);
      assertStrictEquals(model.hookDict.get(Z), before);
      model.resetSaes();
      assertStrictEquals(model.hookDict.get(Z), before);
    },
  },
  {
    upstream: "nothing tells that an SAE was trained on a model processed otherwise",
    here: "processingDifferences() tells it, and rebase() gives an SAE that fits",
    async show() {
      const url = fixtureUrl("gpt2/model");
      using processed = await HookedSAETransformer.fromPretrained(url);
      using raw = await HookedSAETransformer.fromPretrainedNoProcessing(url);
      const metadata = { modelFromPretrainedKwargs: { fold_value_biases: true } };
      using sae = new HookedSAE({
        ...{ dIn: 48, dSae: 30, hookName: Z, reshapeActivations: "hook_z", metadata },
      });
      assertEquals(processed.processingDifferences(sae), []);
      assertEquals(raw.processingDifferences(sae).map(({ step }) => step), ["fold_value_biases"]);
      using fitting = raw.rebase(sae);
      const codes = `${Z}.hook_sae_acts_post`;
      const [, wanted] = processed.runWithCacheWithSaes(TOKENS, { saes: sae });
      const [, got] = raw.runWithCacheWithSaes(TOKENS, { saes: fitting });
      assert(got.get(codes).allClose(wanted.get(codes), { atol: 1e-4, rtol: 1e-4 }));
    },
  },
  {
    upstream: "matching pursuit has codes that no hook sees",
    here: "hook_sae_acts_post fires with them: codes are what SAEs are spliced in for",
    async show() {
      using sae = await SAE.fromDisk(fixtureUrl("sae/matching_pursuit"));
      using model = await HookedSAETransformer.fromPretrained(fixtureUrl("gpt2/model"));
      const [, cache] = model.runWithCacheWithSaes([[7, 8, 9]], { saes: sae });
      const input = cache.get(`${sae.cfg.hookName}.hook_sae_input`);
      assertSameBits(cache.get(`${sae.cfg.hookName}.hook_sae_acts_post`), sae.encode(input));
    },
  },
  {
    upstream: "sparsify's decoder is turned, which doesn't fit",
    here: "its shape tells how it lies",
    async show() {
      using sae = await loadFormat("sae_formats/sparsify");
      const want = await readTensors("sae_formats/sparsify", "expected.safetensors");
      assertSameBits(sae.W_dec.clone(), want.get("weights/W_dec")!);
    },
  },
];
