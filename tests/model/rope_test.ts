/** Stretched periods of rotation, against transformers' logits of random checkpoints. */

import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../src/core/errors.ts";
import { configFromHuggingFace } from "../../src/model/architectures/hugging_face.ts";
import { fixtureFolders, fixtureUrl, readJson, readTensors } from "../_fixtures.ts";
import { compareAll, referenceTolerance } from "../parity/_compare.ts";
import { HookedTransformer } from "../../mod.ts";

/** What to load a fixture with; transformers decides by each text's length what here the context decides. */
const OPTIONS: Readonly<Record<string, { nCtx?: number }>> = {
  phi3_longrope_long: { nCtx: 32 },
};

for (const folder of fixtureFolders("rope")) {
  Deno.test(`rotation of ${folder} is that of transformers`, async () => {
    using model = await HookedTransformer.fromPretrainedNoProcessing(
      fixtureUrl(`rope/${folder}`),
      OPTIONS[folder],
    );
    const want = await readTensors(`rope/${folder}`, "refs.safetensors");
    const tokens = want.get("tokens")!;
    want.delete("tokens");
    const got = new Map([["logits", model.forward(tokens)]]);
    assertEquals(compareAll(folder, got, want, referenceTolerance).points, 1);
  });
}

Deno.test("LongRoPE keeps to the original context unless a longer one is asked for", async () => {
  const json = await readJson<Record<string, unknown>>("rope/phi3_longrope_short", "config.json");
  assertEquals(configFromHuggingFace(json).nCtx, 8);
  assertEquals(configFromHuggingFace(json, { nCtx: 20 }).nCtx, 20);
  const parameters = json.rope_parameters as Record<string, unknown>;
  // The first checkpoints' names for it, in the dictionary of transformers 4.
  for (const type of ["su", "yarn"]) {
    const { rope_parameters: _, ...rest } = json;
    const { long_factor, short_factor } = parameters;
    const older = { ...rest, rope_scaling: { type, long_factor, short_factor } };
    assertEquals(configFromHuggingFace(older), configFromHuggingFace(json));
  }
});

Deno.test("LongRoPE's factors have to be one for each pair", async () => {
  const json = await readJson<Record<string, unknown>>("rope/phi3_longrope_short", "config.json");
  const parameters = json.rope_parameters as Record<string, unknown>;
  const message = (changed: Record<string, unknown>) => {
    const changedJson = { ...json, rope_parameters: { ...parameters, ...changed } };
    return assertThrows(() => configFromHuggingFace(changedJson), ConfigError).message;
  };
  assertEquals(
    message({ long_factor: [1, 2, 3] }),
    "Cannot make a configuration: longRopeLongFactors is 3 numbers, wanted 4, one for each pair",
  );
  assertEquals(
    message({ short_factor: 2 }),
    "Cannot read config.json: short_factor of the rotary parameters is 2, wanted a list",
  );
  assertEquals(
    message({ long_factor: [1, 2, 3, -1] }),
    "Cannot make a configuration: longRopeLongFactors is [1,2,3,-1], wanted a list of numbers above 0, or null",
  );
});

Deno.test("a text under LongRoPE has the bits of a longer one's beginning", async () => {
  using model = await HookedTransformer.fromPretrained(fixtureUrl("rope/phi3_longrope_long"), {
    nCtx: 32,
  });
  const tokens = (await readTensors("rope/phi3_longrope_long", "refs.safetensors")).get("tokens")!;
  const whole = model.forward(tokens).at(":", ":6").data();
  assertEquals(model.forward(tokens.at(":", ":6")).data(), whole);
});
