/** A single position of a command, resolved in the session's first text. */
import { positionsIn } from "../src/hooks/edit_positions.ts";
import { positionsFrom } from "./cells.ts";
import type { Context } from "./command.ts";
import { isTokenOf } from "./edit_command.ts";
import { CommandError } from "./errors.ts";
import type { WordReader } from "./words.ts";

/**
 * Takes positions written as `@…`, resolved in a text.
 *
 * @returns Positions from 0; `undefined` when the next word isn't one.
 */
export function takePositions(
  reader: WordReader,
  context: Context,
  text = 0,
): number[] | undefined {
  const word = reader.peek();
  if (!word?.raw.startsWith("@")) return undefined;
  reader.take();
  const { session: { tokens, model } } = context.state;
  const ids: number[] = tokens.at(text).toArray();
  const str = (id: number) => model.toSingleStrToken(id);
  const found = positionsIn(positionsFrom(word.raw.slice(1), isTokenOf(context)), {
    text,
    nPos: ids.length,
    nPrompt: ids.length,
    id: (pos) => ids[pos],
    str,
    label: str,
  });
  if (found.length === 0) throw new CommandError(`No position is meant by ${word.raw}.`);
  return found;
}

/** Takes one position; of several, the first. */
export function takeOnePosition(reader: WordReader, context: Context): number | undefined {
  return takePositions(reader, context)?.[0];
}
