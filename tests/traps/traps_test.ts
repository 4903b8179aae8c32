/**
 * The traps of TransformerLens and SAELens, one test each. A test's name is what happens upstream and, behind the arrow, what happens
 * here and why.
 *
 * | where | file |
 * | --- | --- |
 * | hooks, caches, switches | `_hooks.ts` |
 * | losses, generation, weight processing, decompositions | `_running.ts` |
 * | SAEs: points, error terms, splices that come and go | `_saes.ts` |
 * | families of checkpoints | `_families.ts` |
 *
 * Behaviour that is shared with the two libraries is in the tests of the parts, and in `tests/parity`.
 */

import { FAMILY_TRAPS } from "./_families.ts";
import { HOOK_TRAPS } from "./_hooks.ts";
import { RUNNING_TRAPS } from "./_running.ts";
import { SAE_TRAPS } from "./_saes.ts";

const TRAPS = [...HOOK_TRAPS, ...RUNNING_TRAPS, ...SAE_TRAPS, ...FAMILY_TRAPS];

for (const { upstream, here, show } of TRAPS) {
  Deno.test(`trap: ${upstream} → ${here}`, async () => await show());
}
