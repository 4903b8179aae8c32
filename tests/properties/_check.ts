/** Properties that hold of all values, checked on random ones; what fails is made as small as it gets. */

import fc from "npm:fast-check@4.10.2";

export { fc };

/** `PROPERTY_RUNS` asks for more cases, `PROPERTY_SEED` for others. */
const RUNS = Number(Deno.env.get("PROPERTY_RUNS") ?? 200);
const SEED = Number(Deno.env.get("PROPERTY_SEED") ?? 1);

/**
 * Checks a property.
 *
 * @param share Of the usual number of cases; less for costly ones.
 */
export async function check<T>(
  property: fc.IProperty<T> | fc.IAsyncProperty<T>,
  share = 1,
): Promise<void> {
  await fc.assert(property, { numRuns: Math.ceil(RUNS * share), seed: SEED });
}
