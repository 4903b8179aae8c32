import type { Command, Context, Result } from "../command.ts";
import { CommandError, StoppedError } from "../errors.ts";
import { OPENING } from "../open_state.ts";
import { withSession } from "../state.ts";
import { folded, type Style } from "../style.ts";
import { TOUR, TOUR_END, type TourStep } from "../tour.ts";

/** Widest line of prose, in characters. */
const PROSE_COLUMNS = 100;

/** Breaks prose into lines. */
function paragraph(text: string, style: Style): string {
  return folded(text, Math.min(style.columns, PROSE_COLUMNS));
}

function stepHead({ say, line }: TourStep, number: number, style: Style): string {
  const where = style.dim(`(${number}/${TOUR.length})`);
  return `${paragraph(`${where} ${say}`, style)}\n${style.bold(`splicer> ${line}`)}`;
}

/** The session as the program opens: the tour's steps go from there. */
function opened({ state }: Context) {
  if (state.model.cfg.modelName !== "ioi-tiny") {
    throw new CommandError("The tour is about the embedded model: start without --model.");
  }
  if (state.session.edits.length > 0) {
    throw new CommandError(
      "The tour begins without edits: `undo all` of them, or `save` them first.",
    );
  }
  const saes = state.saes.map((known) => ({ ...known, isOn: known.name.endsWith(".z") }));
  const measured = { metric: OPENING.metric, isChosen: false };
  return withSession({ ...state, saes, prompts: [OPENING.prompt], measured }).state;
}

/** Runs one step and says how to go on. */
async function step(number: number, context: Context): Promise<Result> {
  const { style } = context;
  const next = TOUR[number];
  context.write(`${stepHead(next, number + 1, style)}\n`);
  const result = await context.execute(next.line);
  const isLast = number === TOUR.length - 1;
  const foot = isLast
    ? paragraph(TOUR_END, style)
    : style.dim("Enter goes on; `tour end` leaves; try anything in between.");
  return {
    ...result,
    state: { ...context.current(), tour: isLast ? undefined : number + 1 },
    text: `${result.text}\n\n${foot}`,
  };
}

export const tour: Command = {
  name: "tour",
  group: "program",
  usage: "tour [end]",
  summary: "how the embedded model finds who gets the bag, step by step",
  keywords: ["end"],
  examples: [["tour", "begin, or go on"]],
  run: async (reader, context) => {
    const { state, style, isInteractive } = context;
    if (reader.takeIf("end")) {
      reader.end();
      return { text: "", json: {}, state: { ...state, tour: undefined } };
    }
    reader.end();
    if (isInteractive) {
      if (state.tour !== undefined) return await step(state.tour, context);
      context.enter(opened(context));
      return await step(0, context);
    }
    context.enter(opened(context));
    const texts: string[] = [];
    const results: Record<string, unknown>[] = [];
    for (const [i, next] of TOUR.entries()) {
      if (context.signal.aborted) throw new StoppedError("Stopped.");
      const { text, json } = await context.execute(next.line);
      texts.push(`${stepHead(next, i + 1, style)}\n${text}`);
      results.push({ say: next.say, line: next.line, ...json });
    }
    texts.push(paragraph(TOUR_END, style));
    return { text: texts.join("\n\n"), json: { steps: results }, state: context.current() };
  },
};
