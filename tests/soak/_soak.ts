/**
 * The soak test: random operations on two models and their SAEs, one after another and interleaved, some of which fail; whatever
 * computes is compared with fresh models, and memory has to come back.
 */

import { assert, assertEquals } from "@std/assert";
import { memoryUsage, type Tensor, type Threads } from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { digest } from "../_digest.ts";
import { below, pick, type Random } from "../invariants/_random_runs.ts";
import { DISTURBANCES } from "./_disturbances.ts";
import { type Program, PROGRAMS } from "./_programs.ts";
import { makeSetting, type Recipe, type Setting } from "./_settings.ts";
import { killWorker, watchWorkers } from "./_workers.ts";
import { World } from "./_world.ts";

/** How a soak test goes. */
export interface SoakOptions {
  readonly seed: number;
  /** The most threads; models come with one to so many. */
  readonly threads: number;
  /** Whether to go on after so many operations. */
  readonly goesOn: (operations: number) => boolean;
  /** Told after each epoch. */
  readonly onEpoch?: (report: SoakReport) => void;
}

/** What happened. */
export interface SoakReport {
  readonly operations: number;
  /** How many times each was done. */
  readonly counts: Readonly<Record<string, number>>;
  /** Results compared with those of a fresh model. */
  readonly compared: number;
  /** The size of the core's memory after each epoch. */
  readonly heapBytes: readonly number[];
  /** The process' own memory after each epoch. */
  readonly residentBytes: readonly number[];
}

/** Operations between two times at which everything is given back. */
const EPOCH = 100;

/**
 * The core's memory never shrinks. It holds four settings of 11 MB at the most, one that is replaced and one that is compared with among
 * them, and weights that wait for the garbage collector: some 50 MB. More than this is space that isn't used again.
 */
const MOST_HEAP_BYTES = 96 * 2 ** 20;

/** So many random models and programs there are of each kind, so that most are met more than once. */
const SEEDS = 64;

/** A program that runs, and what it has given so far. */
interface Running {
  readonly name: keyof typeof PROGRAMS;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly steps: AsyncGenerator<Tensor>;
  readonly given: string[];
}

/** Things in a random order, each once before any comes again. */
class Bag<T> {
  readonly #random: Random;
  readonly #all: readonly T[];
  #left: T[] = [];

  constructor(random: Random, all: readonly T[]) {
    this.#random = random;
    this.#all = all;
  }

  draw(): T {
    if (this.#left.length === 0) this.#left = [...this.#all];
    const [drawn] = this.#left.splice(below(this.#random, this.#left.length), 1);
    return drawn;
  }
}

class Soak {
  readonly #random: Random;
  readonly #seed: number;
  readonly #threads: number;
  readonly #disturbances: Bag<string>;
  readonly #programs: Bag<keyof typeof PROGRAMS>;
  readonly #counts: Record<string, number> = {};
  /** What fresh models gave, by recipe, program and seed. */
  readonly #expected = new Map<string, string>();
  #compared = 0;
  #operations = 0;
  readonly #heapBytes: number[] = [];
  readonly #residentBytes: number[] = [];

  constructor({ seed, threads }: SoakOptions) {
    this.#random = uniform(seed);
    this.#seed = seed;
    this.#threads = threads;
    this.#disturbances = new Bag(this.#random, Object.keys(DISTURBANCES));
    this.#programs = new Bag(this.#random, Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[]);
  }

  get report(): SoakReport {
    return {
      operations: this.#operations,
      counts: this.#counts,
      compared: this.#compared,
      heapBytes: this.#heapBytes,
      residentBytes: this.#residentBytes,
    };
  }

  /** Operations on models that are loaded at its beginning and given back at its end. */
  async epoch(goesOn: SoakOptions["goesOn"]): Promise<void> {
    const world = await World.open(below(this.#random, SEEDS), this.#anyThreads());
    for (let step = 0; step < EPOCH && goesOn(this.#operations); step++) {
      let doing = "an operation";
      try {
        await this.#operate(world, (name) => doing = name);
        world.check(this.#random() < 0.3);
      } catch (cause) {
        const again = `--seed ${this.#seed} --threads ${this.#threads} --operations ${
          this.#operations + 1
        }`;
        throw new Error(
          `Operation ${this.#operations}, ${doing}, left something wrong: deno task soak ${again}`,
          { cause },
        );
      }
      this.#operations++;
    }
    await world.close();
    const { heapBytes } = memoryUsage();
    assert(heapBytes <= MOST_HEAP_BYTES, `the core's memory has grown to ${heapBytes} bytes`);
    this.#heapBytes.push(heapBytes);
    this.#residentBytes.push(Deno.memoryUsage().rss);
  }

  #anyThreads(): Threads {
    return this.#threads === 1
      ? 1
      : pick(this.#random, ["auto", 1 + below(this.#random, this.#threads)]);
  }

  async #operate(world: World, tell: (name: string) => void): Promise<void> {
    const kind = this.#random();
    const setting = pick(this.#random, world.settings);
    const count = (name: string) => {
      tell(name);
      this.#counts[name] = (this.#counts[name] ?? 0) + 1;
    };
    if (kind < 0.04) {
      count("replace");
      const recipe = typeof setting.recipe === "string"
        ? pick(this.#random, ["embedded", "half"] as const)
        : below(this.#random, SEEDS);
      await world.replace(recipe, this.#anyThreads(), this.#random() < 0.5);
    } else if (kind < 0.06 && this.#threads > 1) {
      count("killWorker");
      await killWorker(this.#random);
    } else if (kind < 0.45) {
      const name = this.#disturbances.draw();
      count(name);
      await DISTURBANCES[name](setting, this.#random);
    } else if (kind < 0.65) {
      count("interleave");
      await this.#interleave(world, count);
    } else {
      const running = this.#start(setting);
      count(running.name);
      while (await advance(running));
      await this.#compare(running);
    }
  }

  #start(setting: Setting): Running {
    return start(this.#programs.draw(), setting, below(this.#random, SEEDS));
  }

  /** Lets several programs take turns, while a model is being loaded. */
  async #interleave(world: World, count: (name: string) => void): Promise<void> {
    const all = Array.from(
      { length: 2 + below(this.#random, 3) },
      () => this.#start(pick(this.#random, world.settings)),
    );
    const loading = this.#random() < 0.3 ? makeSetting("embedded", { threads: "auto" }) : undefined;
    const waiting = [...all];
    while (waiting.length > 0) {
      const running = pick(this.#random, waiting);
      if (!await advance(running)) waiting.splice(waiting.indexOf(running), 1);
    }
    (await loading)?.[Symbol.dispose]();
    for (const running of all) {
      count(running.name);
      await this.#compare(running);
    }
  }

  /** Compares what a program gave with what it gives on a fresh model that runs everything whole. */
  async #compare({ name, recipe, seed, given }: Running): Promise<void> {
    const key = `${recipe} ${name} ${seed}`;
    let expected = this.#expected.get(key);
    if (expected === undefined) {
      using fresh = await makeSetting(recipe, { threads: "auto" });
      fresh.model.keepBase = false;
      const alone = start(name, fresh, seed);
      while (await advance(alone));
      expected = alone.given.join();
      this.#expected.set(key, expected);
    }
    assertEquals(given.join(), expected, `${key}: the bits of a fresh model`);
    this.#compared++;
  }
}

function start(name: keyof typeof PROGRAMS, setting: Setting, seed: number): Running {
  const program: Program = PROGRAMS[name];
  const steps = program(setting, uniform(seed));
  return { name, recipe: setting.recipe, seed, steps, given: [] };
}

/** Does a program's next step; `false` when there is none. */
async function advance({ steps, given }: Running): Promise<boolean> {
  const { done, value } = await steps.next();
  if (done) return false;
  given.push(digest([value]));
  return true;
}

/**
 * Runs a soak test.
 *
 * @throws {Error} If an invariant doesn't hold, with the operation after which it doesn't.
 */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const running = new Soak(options);
  if (options.threads > 1) {
    watchWorkers();
    // The module over shared memory is chosen by the first model.
    using _first = await makeSetting("embedded", { threads: options.threads });
  }
  while (options.goesOn(running.report.operations)) {
    await running.epoch(options.goesOn);
    options.onEpoch?.(running.report);
  }
  return running.report;
}
