/** What a soak test works on, and what must hold of it whenever nothing runs. */

import { assertEquals } from "@std/assert";
import { type HookedSAETransformer, memoryUsage } from "../../mod.ts";
import { core } from "../../src/core/engine.ts";
import { pendingRuns } from "../../src/core/gradients.ts";
import { makeSetting, type Recipe, type Setting } from "./_settings.ts";
import type { Threads } from "../../mod.ts";

/** What a model at rest shows of itself. */
function outline({ model, saes }: Setting) {
  return {
    cfg: model.cfg,
    points: model.hookDict.size,
    hooks: model.listHooks().length,
    saeHooks: saes.flatMap((sae) => sae.listHooks()).length,
    attached: model.actsToSaes.size,
    level: model.contextLevel,
    errorTerms: saes.map(({ useErrorTerm }) => useErrorTerm),
  };
}

/** Drops what is kept of the last run. */
function settle(model: HookedSAETransformer): void {
  model.keepBase = false;
  model.keepBase = true;
}

/** Has the garbage collector run, and those that it tells. */
async function collect(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("The soak test needs --v8-flags=--expose-gc.");
  for (let times = 0; times < 3; times++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Two models with eleven SAEs. */
export class World {
  readonly #settings: Setting[];
  readonly #outlines: unknown[];

  private constructor(settings: Setting[]) {
    this.#settings = settings;
    this.#outlines = settings.map(outline);
  }

  /** Loads the embedded model and makes a random one. */
  static async open(seed: number, threads: Threads): Promise<World> {
    return new World(await Promise.all([makeSetting("embedded", { threads }), makeSetting(seed)]));
  }

  /** The settings: the embedded one and the random one. */
  get settings(): readonly Setting[] {
    return this.#settings;
  }

  /** Puts a setting in the place of the one of its kind; before or after that one goes. */
  async replace(recipe: Recipe, threads: Threads, before: boolean): Promise<void> {
    const index = typeof recipe === "string" ? 0 : 1;
    if (before) this.#settings[index][Symbol.dispose]();
    const made = await makeSetting(recipe, { threads });
    if (!before) this.#settings[index][Symbol.dispose]();
    this.#settings[index] = made;
    this.#outlines[index] = outline(made);
  }

  /**
   * Checks what must hold at rest: nothing attached, nothing recorded, no value in the core but weights and base runs.
   *
   * @param settled Drops the base runs before.
   */
  check(settled: boolean): void {
    assertEquals(this.#settings.map(outline), this.#outlines, "models and SAEs at rest");
    if (settled) this.#settings.forEach(({ model }) => settle(model));
    const { liveBytes, weightBytes, baseBytes, tapeBytes } = memoryUsage();
    assertEquals({ pending: pendingRuns(), tapeBytes }, { pending: 0, tapeBytes: 0 });
    assertEquals(liveBytes, weightBytes + baseBytes, "bytes of no weight and no base run");
    if (settled) assertEquals(baseBytes, 0, "bytes of base runs that were dropped");
  }

  /** Gives everything back, and checks that the core is empty. */
  async close(): Promise<void> {
    this.#settings.forEach((setting) => setting[Symbol.dispose]());
    this.#settings.length = 0;
    await collect();
    const { heapBytes: _, ...bytes } = memoryUsage();
    const nothing = { liveBytes: 0, weightBytes: 0, baseBytes: 0, tapeBytes: 0 };
    assertEquals({ ...bytes, values: core().value_count() }, { ...nothing, values: 0 });
  }
}
