/** SAEs in other publishers' layouts, and what SAELens converts them to. */

import { assertEquals } from "@std/assert";
import { SAE } from "../../mod.ts";
import { readSaeConfig } from "../../src/sae/read_config.ts";
import type { SaeLoadOptions } from "../../src/sae/load.ts";
import { fixtureFolders, fixtureUrl, readJson, readTensors } from "../_fixtures.ts";
import { EXACT, type Tolerance } from "./_compare.ts";
import { referenceTolerance } from "./_compare.ts";
import type { ParityCase } from "./_observe.ts";
import { shownBySae } from "./_sae_legacy.ts";

/** What a fixture of this kind says. */
interface FormatInfo {
  readonly loader: NonNullable<SaeLoadOptions["format"]>;
  readonly repo_id: string;
  readonly folder_name: string;
  /** What stands in for facts of the real repository that the small one doesn't share. */
  readonly cfg_overrides: { readonly activation_fn_kwargs?: { readonly k: number } };
}

/** Weights are the same numbers in another order, except where one factor is applied in another precision. */
function tolerance(name: string): Tolerance {
  if (!name.includes("weights/")) return referenceTolerance(name);
  return /threshold|folded|embedding/.test(name) ? { atol: 0, rtol: 1e-6 } : EXACT;
}

/** Loads the SAE of a fixture as its publisher lays it out. */
export async function loadFormat(folder: string): Promise<SAE> {
  const info = await readJson<FormatInfo>(folder, "fixture.json");
  const k = info.cfg_overrides.activation_fn_kwargs?.k;
  return await SAE.fromDisk(fixtureUrl(`${folder}/repo`), {
    format: info.loader,
    path: info.folder_name,
    repo: info.repo_id,
    cfg: k === undefined ? {} : { k },
  });
}

/** Compares configurations: every field, and the metadata that SAELens keeps too. */
async function checkConfig(folder: string, sae: SAE): Promise<void> {
  const file = "expected_config.json";
  const { metadata, ...cfg } = readSaeConfig(await readJson(folder, file), file);
  const { metadata: got, ...fields } = sae.cfg;
  assertEquals(fields, cfg);
  const { modelName, ...rest } = metadata;
  // The name of a folder in the fixture, where SAELens finds nothing better.
  assertEquals({ ...got, ...rest, ...modelName === "repo" ? {} : { modelName } }, got);
}

function formatCase(name: string): ParityCase {
  const folder = `sae_formats/${name}`;
  return {
    name: folder,
    tolerance: (point) => tolerance(name.includes("embedding") ? `embedding ${point}` : point),
    async run() {
      using sae = await loadFormat(folder);
      await checkConfig(folder, sae);
      const want = await readTensors(folder, "expected.safetensors");
      const got = shownBySae(sae, want, "forward");
      want.delete("input");
      return { got, want };
    },
  };
}

const FOLDED: ParityCase = {
  name: "sae_formats/llama_scope folded",
  tolerance,
  async run() {
    const folder = "sae_formats/llama_scope";
    using sae = await loadFormat(folder);
    sae.foldActivationNormScalingFactor(0.8);
    const want = await readTensors(folder, "expected_folded.safetensors");
    const got = shownBySae(sae, want, "forward");
    want.delete("input");
    return { got, want };
  },
};

/** The cases of the layouts. */
export const SAE_FORMAT_CASES: readonly ParityCase[] = [
  ...fixtureFolders("sae_formats").map(formatCase),
  FOLDED,
];
