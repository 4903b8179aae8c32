/**
 * How a model goes on from a prompt: the ranks of answers, and the likeliest tokens.
 *
 * @module
 */

import { ConfigError, ShapeError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { HookedTransformer } from "../session/hooked_transformer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Options of {@linkcode testPrompt}. */
export interface TestPromptOptions {
  /** Puts a space in front of answers that begin without one; `true` unless said. */
  prependSpaceToAnswer?: boolean;
  /** Prints the tokens and the likeliest ones, not the ranks alone; `true` unless said. */
  printDetails?: boolean;
  /** Whether the prompt gets a BOS token; the model's own habit unless said. */
  prependBos?: boolean;
  /** How many of the likeliest tokens are shown; 10 unless said. */
  topK?: number;
  /** Takes the lines; they are printed unless said. */
  print?: (line: string) => void;
}

/** A token as a prediction. */
export interface PredictedToken {
  /** Its text. */
  readonly token: string;
  /** Its id. */
  readonly id: number;
  /** How many tokens are likelier. */
  readonly rank: number;
  /** Its logit. */
  readonly logit: number;
  /** Its probability. */
  readonly probability: number;
}

/** What a model makes of a prompt, for each token of the answer (for several answers, the first). */
export interface PromptTest {
  /** The prompt's tokens. */
  readonly promptTokens: readonly string[];
  /** Each answer's tokens. */
  readonly answerTokens: readonly (readonly string[])[];
  /** By token of the answer: each answer's, and the likeliest. */
  readonly steps: readonly {
    readonly answers: readonly PredictedToken[];
    readonly top: readonly PredictedToken[];
  }[];
}

/** A row of {@linkcode logitsToDf}. */
export interface LogitRow {
  /** The token's id. */
  readonly tokenIndex: number;
  /** Its text, with a tokenizer. */
  readonly tokenString?: string;
  /** Its logit. */
  readonly logit: number;
  /** The logarithm of its probability. */
  readonly logProb: number;
  /** Its probability. */
  readonly probability: number;
}

/** The ids of a vector of logits, the largest first; of equal ones, the lower id. */
function ranked(logits: Tensor): number[] {
  return Array.from(logits.sort(-1, { descending: true })[1].data());
}

/**
 * Lists the tokens of a vector of logits, the likeliest first (TransformerLens `logits_to_df`, as rows).
 *
 * @param logits Logits at one position [dVocab].
 * @param options `tokenizer` adds the tokens' text, `topK` keeps that many.
 * @throws {ShapeError} If the logits aren't a vector.
 */
export function logitsToDf(
  logits: Tensor,
  { tokenizer, topK }: { tokenizer?: Pick<Tokenizer, "decode">; topK?: number } = {},
): LogitRow[] {
  if (logits.rank !== 1) {
    throw new ShapeError(
      `Cannot list logits of shape [${logits.shape.join(", ")}]: expected [dVocab], one position.`,
    );
  }
  const values = logits.data();
  const logProbs = logits.logSoftmax(-1).data();
  return ranked(logits).slice(0, topK).map((tokenIndex) => ({
    tokenIndex,
    ...(tokenizer && { tokenString: tokenizer.decode([tokenIndex]) }),
    logit: values[tokenIndex],
    logProb: logProbs[tokenIndex],
    probability: Math.exp(logProbs[tokenIndex]),
  }));
}

/** A text as Python writes it in a list. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

const listOf = (texts: readonly string[]) => `[${texts.map(quoted).join(", ")}]`;

const score = ({ logit, probability }: PredictedToken) =>
  `Logit: ${logit.toFixed(2).padStart(5)} Prob: ${
    `${(probability * 100).toFixed(2)}%`.padStart(6)
  }`;

/** The lines that TransformerLens prints. */
function lines(
  { promptTokens, answerTokens, steps }: PromptTest,
  printDetails: boolean,
): string[] {
  const isOne = answerTokens.length === 1;
  const tokens = [
    `Tokenized prompt: ${listOf(promptTokens)}`,
    isOne
      ? `Tokenized answer: ${listOf(answerTokens[0])}`
      : `Tokenized answers: [${answerTokens.map(listOf).join(", ")}]`,
  ];
  const details = steps.flatMap(({ answers, top }) => [
    `Performance on answer token${isOne ? "" : "s"}:`,
    ...answers.map((answer) =>
      `Rank: ${`${answer.rank}`.padEnd(8)} ${score(answer)} Token: |${answer.token}|`
    ),
    ...top.map((token, i) => `Top ${i}th token. ${score(token)} Token: |${token.token}|`),
  ]);
  const pair = ({ token, rank }: PredictedToken) => `(${quoted(token)}, ${rank})`;
  const ranks = steps.map(({ answers }) =>
    isOne ? pair(answers[0]) : `[${answers.map(pair).join(", ")}]`
  );
  return [
    ...(printDetails ? [...tokens, ...details] : []),
    `Ranks of the answer tokens: [${ranks.join(", ")}]`,
  ];
}

/**
 * Prints how a model does on an answer to a prompt: rank, logit and probability of its tokens, and the likeliest ones
 * (TransformerLens `test_prompt`).
 *
 * @param prompt The prompt.
 * @param answer The answer, of one token or more; of several answers the first tokens are compared.
 * @param model The model.
 * @returns What was printed, as data.
 * @throws {ConfigError} If there is no answer.
 */
export function testPrompt(
  prompt: string,
  answer: string | readonly string[],
  model: HookedTransformer,
  options: TestPromptOptions = {},
): PromptTest {
  const { prependSpaceToAnswer = true, printDetails = true, prependBos, topK = 10 } = options;
  const given = [answer].flat();
  if (given.length === 0) {
    throw new ConfigError("Cannot test a prompt without an answer: expected one or more.");
  }
  const answers = given.map((text) =>
    prependSpaceToAnswer && !text.startsWith(" ") ? ` ${text}` : text
  );
  const isOne = answers.length === 1;
  const promptIds: number[] = model.toTokens(prompt, { prependBos }).at(0).toArray();
  const answerIds = answers.map((text): number[] =>
    model.toTokens(text, { prependBos: false }).at(0).toArray()
  );
  const nSteps = isOne ? answerIds[0].length : 1;
  const logits = model.forward([[...promptIds, ...answerIds[0].slice(0, nSteps - 1)]]);
  const steps = Array.from({ length: nSteps }, (_, step) => {
    const row = logits.at(0, promptIds.length - 1 + step);
    const [values, probabilities] = [row.data(), row.softmax(-1).data()];
    const order = ranked(row);
    const predicted = (id: number): PredictedToken => ({
      token: model.toString(id),
      id,
      rank: order.indexOf(id),
      logit: values[id],
      probability: probabilities[id],
    });
    return {
      answers: answerIds.map((ids) => predicted(ids[step])),
      top: order.slice(0, topK).map(predicted),
    };
  });
  const tokensOf = (ids: readonly number[]) => ids.map((id) => model.toString(id));
  const test = {
    promptTokens: tokensOf(promptIds),
    answerTokens: answerIds.map(tokensOf),
    steps,
  };
  // deno-lint-ignore no-console -- Printing is what this is for.
  const { print = (line: string) => console.log(line) } = options;
  lines(test, printDetails).forEach((line) => print(line));
  return test;
}
