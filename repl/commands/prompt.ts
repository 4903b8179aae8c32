import type { Command } from "../command.ts";
import { droppedJson, droppedLines } from "../render/dropped.ts";
import { runResult } from "../render/next_tokens.ts";
import { tokensLine } from "../render/tokens.ts";
import { withSession } from "../state.ts";

export const prompt: Command = {
  name: "prompt",
  group: "session",
  usage: 'prompt TEXT | prompt "TEXT" "TEXT" …',
  summary: "choose what the model reads; several texts in quotes make a batch",
  details:
    "Edits are taken over where they fit the new tokens. Without a text, the tokens are shown with their positions.",
  examples: [
    ["prompt When Tom and Rose went to the park, Rose gave the ball to", "one text, as it is"],
    ['prompt "The capital of France is" "The capital of Spain is"', "two texts"],
  ],
  run: (reader, { state, style }) => {
    if (!reader.peek()) {
      const { session } = state;
      return {
        text: tokensLine(session, style),
        json: { prompts: state.prompts, tokens: session.tokens.toArray() },
      };
    }
    const prompts = reader.restTexts("a text");
    const { isChosen } = state.measured;
    const { state: next, dropped } = withSession(
      { ...state, prompts, measured: isChosen ? state.measured : { metric: undefined, isChosen } },
      state.session.edits,
    );
    return {
      state: next,
      ...runResult(next.session, style, {
        head: [tokensLine(next.session, style), ...droppedLines(dropped, style)],
        json: {
          prompts,
          tokens: next.session.tokens.toArray(),
          ...droppedJson(dropped),
        },
      }),
    };
  },
};
