/**
 * Rough evaluations: is a loaded model sane, has it induction heads, does it solve the indirect object task.
 *
 * @module
 */

import { ConfigError, ShapeError, TokenError } from "../core/errors.ts";
import { uniform } from "../core/random.ts";
import { Tensor } from "../core/tensor.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { PythonRandom } from "./python_random.ts";

/** The opening of Olah et al., Zoom In: An Introduction to Circuits (Distill 2020, CC BY 4.0), which TransformerLens measures too. */
const ZOOM_IN =
  "Many important transition points in the history of science have been moments when science 'zoomed in.' At these points, we develop a visualization or tool that allows us to see the world in a new level of detail, and a new field of science develops to study the world through this lens.";

/**
 * The loss on a paragraph of English, or as much of it as the context holds: below 5 the model is probably right, above 7 something is wrong.
 *
 * @returns The loss, a scalar.
 */
export function sanityCheck(model: HookedTransformer): Tensor {
  return model.forward(model.toTokens(ZOOM_IN), { returnType: "loss" });
}

/** Options of {@linkcode inductionLoss}. */
export interface InductionLossOptions {
  /** How many sequences; 4 unless said. */
  batchSize?: number;
  /** How long the repeated part is; 384 unless said, or half of a shorter context. */
  subseqLen?: number;
  /** Whether the first token is the BOS token; the model's own habit unless said. */
  prependBos?: boolean;
  /** The tokenizer whose BOS token it is, for models without one. */
  tokenizer?: Tokenizer;
  /** The same sequences for the same seed; 0 unless said. */
  seed?: number;
}

/** Ids of the tokens that sequences are drawn from: common words of GPT-2's vocabulary, and no special ones. */
const [FIRST_ID, LAST_ID] = [100, 20_000];

/**
 * The loss on the second half of random sequences that repeat themselves: low if the model has induction heads.
 *
 * @returns The mean loss over the repetition, a scalar.
 * @throws {TokenError} If a BOS token is wanted and there is none.
 * @throws {ConfigError} If the sequences don't fit the context.
 */
export function inductionLoss(
  model: HookedTransformer,
  options: InductionLossOptions = {},
): Tensor {
  const { cfg } = model;
  const half = Math.floor(cfg.nCtx / 2);
  const {
    batchSize = 4,
    subseqLen = Math.min(384, half),
    prependBos = cfg.defaultPrependBos,
    tokenizer = model.tokenizer,
    seed = 0,
  } = options;
  if (!Number.isInteger(subseqLen) || subseqLen < 3 || subseqLen > half) {
    throw new ConfigError(
      `Cannot repeat ${subseqLen} tokens: expected a whole number from 3 to ${half}, half of the context.`,
    );
  }
  const bos = tokenizer?.bosTokenId ?? null;
  if (prependBos && bos === null) {
    throw new TokenError(
      "Cannot begin sequences with a BOS token: there is no tokenizer that has one. Pass prependBos: false.",
    );
  }
  const last = Math.min(LAST_ID, cfg.dVocab);
  const first = Math.min(FIRST_ID, last - 1);
  const next = uniform(seed);
  const losses: Tensor[] = [];
  for (let text = 0; text < batchSize; text++) {
    const ids = Array.from(
      { length: subseqLen },
      () => first + Math.floor(next() * (last - first)),
    );
    const tokens = [...ids, ...ids];
    if (prependBos) tokens[0] = bos!;
    // Row i predicts token i + 1; the repetition can be told from its second token on.
    const [from, to] = [subseqLen + 1, 2 * subseqLen - 1];
    const logits = model.forward([tokens]).at(0, `${from}:${to}`);
    const targets = Tensor.from(tokens.slice(from + 1, to + 1), undefined, "int32").unsqueeze(-1);
    losses.push(logits.logSoftmax(-1).gather(-1, targets).neg().flatten());
  }
  return Tensor.cat(losses).mean();
}

/** A sentence of the indirect object task, and its two names. */
export interface IOISample {
  /** The whole sentence, which ends with the indirect object. */
  readonly text: string;
  /** The indirect object, with a space in front. */
  readonly IO: string;
  /** The subject, with a space in front. */
  readonly S: string;
}

/** A sample as token ids. */
export interface IOITokens {
  /** The sentence [pos]. */
  readonly prompt: Tensor;
  /** The indirect object [n]. */
  readonly IO: Tensor;
  /** The subject [n]. */
  readonly S: Tensor;
}

/** Options of {@linkcode IOIDataset}. */
export interface IOIDatasetOptions {
  /** Sentences with `[A]` (indirect object), `[B]` (subject) and placeholders of nouns. */
  templates?: readonly string[];
  /** Names to draw from. */
  names?: readonly string[];
  /** What placeholders stand for, by their names. */
  nouns?: Readonly<Record<string, readonly string[]>>;
  /** How many sentences; 1000 unless said. */
  numSamples?: number;
  /** Draws half as many, each with its names both ways round. */
  symmetric?: boolean;
  /** Puts the BOS token in front; `true` unless said. */
  prependBos?: boolean;
  /** The same sentences for the same seed, those that TransformerLens draws; 0 unless said. */
  seed?: number;
}

const NAMES: readonly string[] = ["John", "Mary"];
const TEMPLATES: readonly string[] = [
  "[A] and [B] went to the [LOCATION] to buy [OBJECT]. [B] handed the [OBJECT] to [A]",
  "Then, [B] and [A] went to the [LOCATION]. [B] gave the [OBJECT] to [A]",
];
const NOUNS: Readonly<Record<string, readonly string[]>> = {
  LOCATION: ["store", "market"],
  OBJECT: ["milk", "eggs", "bread"],
};

/**
 * Sentences of the indirect object identification task (Wang et al. 2022), drawn as TransformerLens draws them.
 *
 * @example
 * ```ts
 * import { evals, HookedTransformer } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const { tokenizer } = await HookedTransformer.fromPretrained("ioi-tiny");
 * const dataset = new evals.IOIDataset(tokenizer!, { numSamples: 10, seed: 42 });
 * assertEquals(dataset.length, 10);
 * assertEquals(dataset.samples[0].text.endsWith(dataset.samples[0].IO), true);
 * ```
 */
export class IOIDataset implements Iterable<IOITokens> {
  /** The sentences. */
  readonly samples: readonly IOISample[];
  readonly #tokenizer: Tokenizer;
  readonly #prependBos: boolean;

  /**
   * Draws sentences.
   *
   * @throws {ConfigError} If there are fewer than two names.
   * @throws {TokenError} If a BOS token is wanted and the tokenizer has none.
   */
  constructor(
    tokenizer: Tokenizer,
    {
      templates = TEMPLATES,
      names = NAMES,
      nouns = NOUNS,
      numSamples = 1000,
      symmetric = false,
      prependBos = true,
      seed = 0,
    }: IOIDatasetOptions = {},
  ) {
    if (names.length < 2 || templates.length === 0) {
      throw new ConfigError(
        `Cannot draw sentences of ${templates.length} templates and ${names.length} names: expected a template and two names or more.`,
      );
    }
    if (prependBos && tokenizer.bosTokenId === null) {
      throw new TokenError("Cannot put a BOS token in front: the tokenizer has none.");
    }
    this.#tokenizer = tokenizer;
    this.#prependBos = prependBos;
    const random = new PythonRandom(seed);
    const draws = symmetric ? Math.floor(numSamples / 2) : numSamples;
    this.samples = Array.from({ length: draws }, () => {
      let template = random.choice(templates);
      for (const [noun, list] of Object.entries(nouns)) {
        template = template.replaceAll(`[${noun}]`, random.choice(list));
      }
      const [io, s] = random.sample(names, 2);
      return symmetric ? [filled(template, io, s), filled(template, s, io)] : [
        filled(template, io, s),
      ];
    }).flat();
  }

  /** How many sentences there are. */
  get length(): number {
    return this.samples.length;
  }

  /**
   * A sentence as token ids.
   *
   * @throws {RangeError} If there is none of this number.
   */
  at(index: number): IOITokens {
    const sample = this.samples.at(index);
    if (!sample) {
      throw new RangeError(`There is no sample ${index}: the dataset has ${this.length}.`);
    }
    const ids = (text: string) => {
      const all = this.#tokenizer.encode(text);
      return this.#tokenizer.prependsBos ? all.slice(1) : all;
    };
    const tensor = (list: readonly number[]) => Tensor.from(list, undefined, "int32");
    const bos = this.#prependBos ? [this.#tokenizer.bosTokenId!] : [];
    return {
      prompt: tensor([...bos, ...ids(sample.text)]),
      IO: tensor(ids(sample.IO)),
      S: tensor(ids(sample.S)),
    };
  }

  /** Goes through all of them. */
  *[Symbol.iterator](): Iterator<IOITokens> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

function filled(template: string, io: string, s: string): IOISample {
  const text = template.replaceAll("[A]", io).replaceAll("[B]", s);
  return { text, IO: ` ${io}`, S: ` ${s}` };
}

/** Options of {@linkcode ioiEval}. */
export interface IOIEvalOptions {
  /** The sentences; drawn with `numSamples` and `symmetric` unless given. */
  dataset?: Iterable<IOITokens>;
  /** How many sentences run at once; 8 unless said. */
  batchSize?: number;
  /** How many sentences to draw; 1000 unless said. */
  numSamples?: number;
  /** Draws each sentence with its names both ways round. */
  symmetric?: boolean;
  /** The tokenizer, for models without one. */
  tokenizer?: Tokenizer;
}

/** How well a model tells the indirect object from the subject. */
export interface IOIResult {
  /** The mean of the logit of the indirect object minus the subject's. */
  readonly "Logit Difference": number;
  /** How often it is positive. */
  readonly Accuracy: number;
}

/** Where the two names are told apart: the row whose logits count, and the two tokens there. */
function decisiveTokens({ prompt, IO, S }: IOITokens): { row: number; io: number; s: number } {
  const [io, s] = [IO.data(), S.data()];
  const length = Math.min(io.length, s.length);
  const at = Array.from({ length }, (_, i) => i).find((i) => io[i] !== s[i]);
  if (at === undefined) {
    throw new ShapeError("Cannot tell two names apart: the tokens of one begin the other's.");
  }
  return { row: prompt.size - io.length + at - 1, io: io[at], s: s[at] };
}

/**
 * Measures how well a model does the indirect object task.
 *
 * @returns The mean logit difference and the accuracy, by the names that TransformerLens gives them.
 * @throws {TokenError} If there is no tokenizer to draw sentences with.
 */
export function ioiEval(
  model: HookedTransformer,
  {
    tokenizer = model.tokenizer,
    dataset,
    batchSize = 8,
    numSamples = 1000,
    symmetric = false,
  }: IOIEvalOptions = {},
): IOIResult {
  const samples = [...dataset ?? drawn(tokenizer, { numSamples, symmetric })];
  let [difference, correct] = [0, 0];
  for (let from = 0; from < samples.length; from += batchSize) {
    const batch = samples.slice(from, from + batchSize);
    const longest = Math.max(...batch.map(({ prompt }) => prompt.size));
    // No token sees those after it, so what fills up the shorter ones doesn't matter.
    const rows = batch.map(({ prompt }) => {
      const ids = Array.from(prompt.data());
      return [...ids, ...Array<number>(longest - ids.length).fill(0)];
    });
    const logits = model.forward(rows);
    batch.forEach((sample, i) => {
      const { row, io, s } = decisiveTokens(sample);
      const [right, wrong] = logits.at(i, row, [io, s]).data();
      difference += right - wrong;
      correct += right > wrong ? 1 : 0;
    });
  }
  return {
    "Logit Difference": difference / samples.length,
    "Accuracy": correct / samples.length,
  };
}

function drawn(
  tokenizer: Tokenizer | undefined,
  options: Pick<IOIDatasetOptions, "numSamples" | "symmetric">,
): IOIDataset {
  if (tokenizer) return new IOIDataset(tokenizer, options);
  throw new TokenError(
    "Cannot draw sentences: the model has no tokenizer. Pass one, or a dataset.",
  );
}
