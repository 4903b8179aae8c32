// What a new process or page does until it has the embedded model's first logits. Plain JavaScript, so that it runs everywhere.
// @ts-self-types="./_cold_start.d.ts"

const PROMPT = "When John and Mary went to the shops, John gave the bag to";

/**
 * @param {() => Promise<unknown>} compile Compiles the module, or does as much of the import as that.
 * @param {() => Promise<typeof import("../../mod.ts")>} importLibrary
 * @param {(token: string) => void} announce Is told the token that the first logits name.
 */
export async function coldStart(compile, importLibrary, announce) {
  const times = [performance.now()];
  const lap = () => times.push(performance.now());
  await compile();
  lap();
  const { HookedSAETransformer, memoryUsage } = await importLibrary();
  lap();
  const model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  lap();
  const next = () => model.toString(model.forward(PROMPT).at(0, -1).argmax().item());
  const token = next();
  lap();
  announce(token);
  for (let run = 0; run < 50; run++) next();
  const warm = performance.now();
  next();
  const [compileMs, importMs, loadMs, firstMs] = times.slice(1).map((time, n) => time - times[n]);
  return {
    compileMs,
    importMs,
    loadMs,
    firstMs,
    warmMs: performance.now() - warm,
    totalMs: times[4],
    wasmBytes: memoryUsage().heapBytes,
  };
}
