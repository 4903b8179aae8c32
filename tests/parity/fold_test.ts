import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError, SAE, Tensor } from "../../mod.ts";
import { fixtureFolders, type FixtureInfo, fixtureUrl, readJson } from "../_fixtures.ts";

/** What the references note where SAELens refuses to fold. */
const REFUSED = "fold_W_dec_norm is refused";

const KEPT = "it would change which codes are the k largest, as rescaleActsByDecoderNorm is false";

/** Why each of those is refused. */
const WHY: Readonly<Record<string, string>> = {
  abstopk: KEPT,
  matching_pursuit: "its encoder is its decoder, so that it would choose other features",
  temporal: "its predictions depend on the codes' scale",
  temporal_untied_relu: "its predictions depend on the codes' scale",
  topk: KEPT,
  topk_hook_z: KEPT,
  topk_more_than_positive: KEPT,
  topk_no_b_dec_in_layer_norm: KEPT,
};

Deno.test("foldWDecNorm() refuses where SAELens does, and leaves the SAE as it was", async () => {
  const refused: string[] = [];
  for (const folder of fixtureFolders("sae")) {
    const { notes } = await readJson<FixtureInfo>(`sae/${folder}`, "fixture.json");
    if (!notes.some((note) => note.startsWith(REFUSED))) continue;
    refused.push(folder);
    using sae = await SAE.fromDisk(fixtureUrl(`sae/${folder}`));
    const before = sae.W_dec.data();
    assertThrows(
      () => sae.foldWDecNorm(),
      ConfigError,
      `Cannot fold the decoder's norms of this ${sae.cfg.architecture} SAE: ${WHY[folder]}.`,
    );
    assertEquals(sae.W_dec.data(), before);
  }
  assertEquals(refused, Object.keys(WHY));
});

Deno.test("foldActivationNormScalingFactor() leaves clones and the original apart", async () => {
  using sae = await SAE.fromDisk(fixtureUrl("sae/standard_expected_average"));
  using folded = sae.clone();
  folded.foldActivationNormScalingFactor(2);
  assertEquals(folded.W_enc.data(), sae.W_enc.mul(2).data());
  assertEquals(folded.cfg.normalizeActivations, "none");
  assertEquals(sae.cfg.normalizeActivations, "expected_average_only_in");
});

Deno.test("foldWDecNorm() keeps a dead feature's row of zeros", async () => {
  using sae = await SAE.fromDisk(fixtureUrl("sae/standard"));
  const decoder = sae.W_dec.clone();
  decoder.set([0], 0);
  const weights = [...sae.stateDict(), ["W_dec", decoder] as const].map(([name, tensor]) =>
    [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
  );
  using dead = new SAE(sae.cfg, new Map(weights));
  dead.foldWDecNorm();
  assertEquals(dead.W_dec.at(0).abs().sum().item(), 0);
  assertEquals(dead.W_dec.at("1:").norm(-1).allClose(Tensor.ones([39])), true);
  assertEquals(dead.forward(Tensor.ones([1, 48])).data().every(Number.isFinite), true);
});
