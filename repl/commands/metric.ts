import { type Metric, metrics, type TokenName } from "../../mod.ts";
import { describeMetric } from "../../src/session/metric.ts";
import type { Command, Context } from "../command.ts";
import { isTokenOf } from "../edit_command.ts";
import { CommandError } from "../errors.ts";
import { runResult } from "../render/next_tokens.ts";
import { replaceSession } from "../state.ts";
import { WordReader } from "../words.ts";

const MINUS = ["-", "−", "minus"];

/** Whether a text is one token. */
type IsToken = (text: string) => boolean;

function takeToken(reader: WordReader, isToken: IsToken): TokenName {
  const { text, isQuoted } = reader.require('a token in quotes, such as " Mary"');
  if (isQuoted) return text;
  if (/^\d+$/.test(text)) return Number(text);
  // A bare word stands for the token with a space in front, where that is one.
  return isToken(` ${text}`) ? ` ${text}` : text;
}

/** Reads `" Mary" - " John"`, one pair or one for each text, `" Mary"` alone, or `logit " Mary"`, `logprob " Mary"`. */
function takeMetric(reader: WordReader, isToken: IsToken): Metric {
  const kind = reader.takeIf("logit", "logprob");
  const token = () => takeToken(reader, isToken);
  const first = token();
  if (kind || !reader.peek()) {
    const tokens = [first];
    while (reader.peek()) tokens.push(token());
    return kind !== "logprob" ? metrics.logit(tokens) : metrics.logProb(tokens);
  }
  reader.requireKeyword(...MINUS);
  const pairs: [TokenName, TokenName][] = [[first, token()]];
  while (reader.peek()) {
    const right = token();
    reader.requireKeyword(...MINUS);
    pairs.push([right, token()]);
  }
  return metrics.logitDiff(pairs);
}

/** A function of the logits; or tokens without quotes, where nothing in scope has their names. */
async function evaluatedMetric(code: string, context: Context): Promise<Metric> {
  const isToken = isTokenOf(context);
  try {
    const value = await context.evaluate(code);
    if (typeof value === "function") return value as Metric;
  } catch (error) {
    const isWord = isToken(` ${code.split(/\s/)[0]}`);
    if (error instanceof ReferenceError && isWord) return takeMetric(new WordReader(code), isToken);
    throw error;
  }
  throw new CommandError('Expected tokens in quotes, such as " Mary" - " John", or a function.');
}

export const metric: Command = {
  name: "metric",
  group: "session",
  usage: 'metric "RIGHT" - "WRONG" … | logit "TOKEN" | logprob "TOKEN" | EXPRESSION',
  summary: "choose what is measured of each run",
  details:
    "Several pairs belong to the texts one by one. An expression gives a function of the logits, [batch, pos, dVocab].",
  keywords: ["logit", "logprob"],
  examples: [
    ['metric " Mary" - " John"', "a difference of logits at the end"],
    ['metric logprob " Mary"', "how likely a token is"],
    ["metric (logits) => logits.at(':', -1, ':').max(1)[0]", "anything else"],
  ],
  run: async (reader, context) => {
    const { state, style } = context;
    const word = reader.peek();
    if (!word) {
      const { metric } = state.session;
      const text = metric === undefined ? "no metric" : describeMetric(metric);
      return { text: `  ${text}`, json: { metric: text } };
    }
    const isNamed = word.isQuoted || /^(\d+|logit|logprob)$/.test(word.text);
    const chosen = isNamed
      ? takeMetric(reader, isTokenOf(context))
      : await evaluatedMetric(reader.rest(), context);
    const session = state.session.withMetric(chosen);
    session.run();
    const next = replaceSession(
      { ...state, measured: { metric: chosen, isChosen: true } },
      session,
    );
    return { state: next, ...runResult(session, style) };
  },
};
