import type { SessionGeneration, SessionGenerationOptions } from "../../mod.ts";
import type { Command, Context } from "../command.ts";
import { CommandError, StoppedError } from "../errors.ts";
import type { WordReader } from "../words.ts";

/** How many tokens are added unless said. */
const N_TOKENS = 20;

function takeOptions(reader: WordReader): SessionGenerationOptions {
  let options: SessionGenerationOptions = {};
  for (
    let word = reader.takeIf("temp", "seed", "topk");
    word;
    word = reader.takeIf("temp", "seed", "topk")
  ) {
    const value = reader.requireNumber("a number");
    const name = { temp: "temperature", seed: "seed", topk: "topK" }[word]!;
    options = { ...options, [name]: value };
  }
  const isDrawn = Object.keys(options).length > 0;
  return isDrawn ? { doSample: true, ...options } : {};
}

/** What a generation begins with, or what is there to go on with. */
function begin(reader: WordReader, { state }: Context): {
  generation: SessionGeneration;
  count: number;
  isNew: boolean;
} {
  const isMore = reader.takeIf("more") !== undefined;
  const count = reader.takeCount() ?? N_TOKENS;
  if (isMore) {
    reader.end();
    if (!state.generation) throw new CommandError("There is no text to go on with: try `gen`.");
    if (state.generation.hasEnded) throw new CommandError("The text has ended: `gen` begins anew.");
    return { generation: state.generation, count, isNew: false };
  }
  const options = takeOptions(reader);
  reader.end();
  return { generation: state.session.generate(options), count, isNew: true };
}

export const gen: Command = {
  name: "gen",
  group: "look",
  usage: "gen [COUNT] [temp T] [topk K] [seed N] | gen more [COUNT]",
  summary: "let the model go on with the prompt under the edits, token after token",
  details:
    "The most likely token is taken unless temp, topk or seed are given. Ctrl-C stops; then edits may change, and `gen more` goes on under those of now: what they concern of the text so far is computed again first.",
  keywords: ["more", "temp", "topk", "seed"],
  examples: [
    ["gen", "twenty tokens"],
    ["gen 30 temp 0.8 seed 1", "thirty that are drawn"],
    ["gen more 10", "ten more, under the edits as they are now"],
  ],
  run: async (reader, context) => {
    const { state, style, isJson, isInteractive } = context;
    const { generation, count, isNew } = begin(reader, context);
    if (isNew) state.generation?.[Symbol.dispose]();
    const isOne = state.session.tokens.shape[0] === 1;
    const isStreamed = isOne && isInteractive && !isJson;
    const before = generation.newText;
    if (isStreamed) context.write(`  ${style.dim(state.prompts[0])}${before[0]}`);
    const started = performance.now();
    let [nNew, isStopped] = [0, false];
    let rewoundTo: number | undefined;
    try {
      for (let isLast = false; nNew < count && !isLast; nNew++) {
        await context.breathe();
        const step = generation.step();
        isLast = step.isLast;
        rewoundTo ??= step.rewoundTo;
        if (isStreamed) context.write(style.bold(step.newText[0]));
      }
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error;
      isStopped = true;
    } finally {
      if (isStreamed) context.write("\n");
    }
    const ms = performance.now() - started;
    const texts = generation.newText;
    const lines = isStreamed
      ? []
      : texts.map((text, i) => `  ${style.dim(state.prompts[i])}${style.bold(text)}`);
    const facts = [
      `${nNew} tokens`,
      `${(ms / Math.max(1, nNew)).toFixed(1)} ms each`,
      ...rewoundTo === undefined ? [] : [`computed again from position ${rewoundTo}`],
      ...isStopped ? ["stopped"] : [],
    ].join(", ");
    return {
      state: { ...state, generation },
      text: [...lines, style.dim(`  ${facts}`)].join("\n"),
      json: {
        texts,
        tokens: generation.tokens.toArray(),
        nNew,
        rewoundTo: rewoundTo ?? null,
        isStopped,
        ms,
      },
    };
  },
};
