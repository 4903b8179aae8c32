import { type Metric, metrics, type TokenName } from "../../mod.ts";
import { describeMetric } from "../../src/session/metric.ts";
import type { Command } from "../command.ts";
import { CommandError } from "../errors.ts";
import { runResult } from "../render/next_tokens.ts";
import { replaceSession } from "../state.ts";
import type { WordReader } from "../words.ts";

const MINUS = ["-", "−", "minus"];

function takeToken(reader: WordReader): TokenName {
  const { text, isQuoted } = reader.require('a token in quotes, such as " Mary"');
  return !isQuoted && /^\d+$/.test(text) ? Number(text) : text;
}

/** Reads `" Mary" - " John"`, one pair or one for each text, or `logit " Mary"`, `logprob " Mary"`. */
function takeMetric(reader: WordReader): Metric {
  const kind = reader.takeIf("logit", "logprob");
  const first = takeToken(reader);
  if (kind) {
    const tokens = [first];
    while (reader.peek()) tokens.push(takeToken(reader));
    return kind === "logit" ? metrics.logit(tokens) : metrics.logProb(tokens);
  }
  reader.requireKeyword(...MINUS);
  const pairs: [TokenName, TokenName][] = [[first, takeToken(reader)]];
  while (reader.peek()) {
    const right = takeToken(reader);
    reader.requireKeyword(...MINUS);
    pairs.push([right, takeToken(reader)]);
  }
  return metrics.logitDiff(pairs);
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
    let chosen: Metric;
    if (word.isQuoted || ["logit", "logprob"].includes(word.text) || /^\d+$/.test(word.text)) {
      chosen = takeMetric(reader);
    } else {
      const value = await context.evaluate(reader.rest());
      if (typeof value !== "function") {
        throw new CommandError(
          'Expected tokens in quotes, such as " Mary" - " John", or a function.',
        );
      }
      chosen = value as Metric;
    }
    const session = state.session.withMetric(chosen);
    session.run();
    const next = replaceSession(
      { ...state, measured: { metric: chosen, isChosen: true } },
      session,
    );
    return { state: next, ...runResult(session, style) };
  },
};
