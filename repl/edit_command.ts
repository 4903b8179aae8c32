/** Commands that add an edit to the session. */
import type { Edit, EditCells, EditValue } from "../mod.ts";
import { describeEdit } from "../src/hooks/edit_text.ts";
import type { Command, Context, Result } from "./command.ts";
import { takeCells } from "./cells.ts";
import { CommandError } from "./errors.ts";
import { requirePoint, shortPoint } from "./points.ts";
import { runResult } from "./render/next_tokens.ts";
import type { WordReader } from "./words.ts";

/** An edit and where it is made. */
export interface PlacedEdit {
  readonly at: string;
  readonly edit: Edit;
}

/** Reads what follows a command's point and cells. */
export type ReadEdit = (
  cells: EditCells,
  reader: WordReader,
  context: Context,
) => Edit | Promise<Edit>;

/** The names of all points of the session, those of its SAEs included. */
export function pointNames({ state: { model, session } }: Pick<Context, "state">): string[] {
  using _saes = session.splices.attach();
  return [...model.hookDict.keys()];
}

/** Whether a text is one token of the model. */
export function isTokenOf({ state: { model } }: Pick<Context, "state">): (text: string) => boolean {
  return (text) => {
    try {
      return model.toSingleToken(text) >= 0;
    } catch {
      return false;
    }
  };
}

/** Takes a hook point. */
export function takePoint(reader: WordReader, context: Context): string {
  const { text } = reader.require("a hook point, such as 1.z.sae");
  return requirePoint(text, pointNames(context));
}

/** Takes a value: a number, or an expression that gives one or a tensor. */
export async function takeValue(reader: WordReader, context: Context): Promise<EditValue> {
  const code = reader.rest();
  if (code === "") throw new CommandError("Expected a number, or an expression.");
  const value = Number(code);
  return Number.isNaN(value) ? await context.evaluate(code) as EditValue : value;
}

/** Adds an edit, runs it, and shows what the model says now. The session stays as it was if anything fails. */
function applyEdit({ at, edit }: PlacedEdit, { state, style }: Context): Result {
  const { session } = state;
  const trial = session.fork();
  const id = trial.edit(at, edit);
  trial.run();
  session.goTo(trial.state);
  const what = `${style.yellow(`[${id}]`)} ${style.cyan(shortPoint(at))} ${describeEdit(edit)}`;
  return runResult(session, style, {
    head: [what],
    json: { id, at, edit: describeEdit(edit) },
  });
}

/** Reads an edit and where it is made. */
export type ReadPlacedEdit = (
  reader: WordReader,
  context: Context,
) => PlacedEdit | Promise<PlacedEdit>;

/** A command that adds an edit. */
export interface EditCommand extends Command {
  /** Reads the edit, without making it. */
  readonly read: ReadPlacedEdit;
}

/** Makes a command that adds an edit at a point. */
export function editCommand(
  about: Pick<Command, "name" | "usage" | "summary" | "examples" | "details" | "keywords">,
  readEdit: ReadEdit,
): EditCommand {
  const read = async (reader: WordReader, context: Context): Promise<PlacedEdit> => {
    const at = takePoint(reader, context);
    const edit = await readEdit(takeCells(reader, isTokenOf(context)), reader, context);
    reader.end();
    return { at, edit };
  };
  return placedEditCommand({ ...about, completes: ["point", "cells"] }, read);
}

/** Makes a command that adds an edit whose point it reads itself. */
export function placedEditCommand(
  about: Omit<Command, "run" | "group">,
  read: ReadPlacedEdit,
): EditCommand {
  return {
    ...about,
    group: "edit",
    read,
    run: async (reader, context) => applyEdit(await read(reader, context), context),
  };
}
