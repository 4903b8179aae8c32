/** SAEs under configurations from before SAELens 6, and what SAELens 6 makes of them. */

import { assertEquals } from "@std/assert";
import { SAE } from "../../mod.ts";
import { readSaeConfig } from "../../src/sae/read_config.ts";
import { fixtureFolders, fixtureUrl, readJson, readTensors } from "../_fixtures.ts";
import { kept, type Named, type ParityCase, prefixed } from "./_observe.ts";

/** What an SAE by itself shows: `weights/<name>`, codes and output of an input, by the references' names for the last. */
export function shownBySae(sae: SAE, input: Named, outputName: string): Named {
  const x = input.get("input")!;
  const codes = sae.encode(x);
  const output = outputName === "decode" ? sae.decode(codes) : sae.forward(x);
  return new Map([
    ...kept(prefixed("weights/", sae.stateDict())),
    ["encode", codes],
    [outputName, output],
  ]);
}

function legacyCase(name: string): ParityCase {
  const folder = `sae_legacy/${name}`;
  return {
    name: folder,
    async run() {
      using sae = await SAE.fromDisk(fixtureUrl(folder));
      const expected = "expected_config.json";
      const { metadata, ...cfg } = readSaeConfig(await readJson(folder, expected), expected);
      const { metadata: got, ...fields } = sae.cfg;
      assertEquals(fields, cfg);
      // What is no metadata to SAELens, such as a dataset's path, is kept as well.
      assertEquals({ ...got, ...metadata }, got);
      const want = await readTensors(folder, "refs.safetensors");
      const shown = shownBySae(sae, want, "decode");
      want.delete("input");
      return { got: shown, want };
    },
  };
}

/** The cases of the old configurations. */
export const SAE_LEGACY_CASES: readonly ParityCase[] = fixtureFolders("sae_legacy").map(legacyCase);
