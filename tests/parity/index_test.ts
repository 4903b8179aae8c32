import { assertEquals } from "@std/assert";
import { MULTI_SAE_CASES } from "./_multi_sae.ts";
import { SAE_CASES } from "./_sae.ts";
import { SAE_FORMAT_CASES } from "./_sae_formats.ts";
import { SAE_LEGACY_CASES } from "./_sae_legacy.ts";

/** Every fixture that there is. */
interface IndexEntry {
  readonly folder: string;
  readonly kind: string;
}

/** The cases of each kind of fixture. */
const CASES_OF_KIND = {
  sae: SAE_CASES,
  sae_legacy_layout: SAE_LEGACY_CASES,
  sae_foreign_format: SAE_FORMAT_CASES,
  multi_sae: MULTI_SAE_CASES,
} as const;

Deno.test("Every SAE of the fixtures' index is compared", async () => {
  const index = new URL("../fixtures/index.json", import.meta.url);
  const entries: readonly IndexEntry[] = JSON.parse(await Deno.readTextFile(index));
  for (const [kind, cases] of Object.entries(CASES_OF_KIND)) {
    const folders = entries.filter((entry) => entry.kind === kind).map(({ folder }) => folder);
    const isOf = (name: string, folder: string) =>
      name === folder || name.startsWith(`${folder} `) || name.startsWith(`${folder}/`);
    const left = folders.filter((folder) => !cases.some(({ name }) => isOf(name, folder)));
    assertEquals([folders.length > 0, left], [true, []], kind);
  }
});
