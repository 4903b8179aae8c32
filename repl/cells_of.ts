/** The part of an activation that cells name. */
import type { EditCells, Tensor } from "../mod.ts";
import { type Block, blocksOf, indexOf, type Layout, layoutOf } from "../src/hooks/edit_cells.ts";
import { positionsIn } from "../src/hooks/edit_positions.ts";
import type { Context } from "./command.ts";
import { CommandError } from "./errors.ts";
import { textTokens } from "./render/tokens.ts";

/** A part of an activation. */
export interface Part {
  readonly value: Tensor;
  /** Where its rows are: positions with their tokens, where positions are its first axis. */
  readonly rows: readonly string[] | undefined;
}

/**
 * Takes the cells of one text out of an activation: one position drops the axis, several stay.
 *
 * @throws {CommandError} If none is meant.
 */
export function partOf(
  value: Tensor,
  name: string,
  cells: EditCells,
  { state: { session } }: Pick<Context, "state">,
): Part {
  const layout = layoutOf(name, value.shape);
  const text = [cells.text ?? 0].flat()[0];
  const tokens = textTokens(session, text);
  const nPos = layout.length.pos;
  const byPos = new Map(tokens.map(({ pos, token }) => [pos, token]));
  const ids: number[] = session.tokens.at(text).toArray();
  const str = (id: number) => session.model.toSingleStrToken(id);
  const view = { text, nPos, nPrompt: nPos, id: (pos: number) => ids[pos], str, label: str };
  const positions = positionsIn(cells.pos ?? "all", view)
    .filter((pos) => cells.pos !== undefined || byPos.has(pos));
  if (positions.length === 0) throw new CommandError("No position is meant.");
  const rows = Array.from({ length: layout.length.text }, (_, t) => (t === text ? positions : []));
  const [block] = blocksOf({ ...cells, text }, rows, layout, 0);
  const one: Block = { ...block, text: [text], pos: positions };
  const index = indexOf(one, layout);
  const part = value.at(...index);
  const isDropped = layout.length.text > 1;
  const whole = isDropped ? part : part.at(0);
  const places = positions.map((pos) => `${pos} ${JSON.stringify(byPos.get(pos) ?? "")}`);
  return { value: whole, rows: rowNames(whole, one, places, layout) };
}

/** Names the rows of a part, whose last axis goes across: positions, heads, or both. */
function rowNames(
  { shape, rank }: Tensor,
  { pos, head }: Block,
  places: readonly string[],
  { isByHead, length }: Layout,
): string[] | undefined {
  const heads = length.head === undefined ? [] : head.map((h) => `h${h}`);
  const nRows = shape.slice(0, rank - 1).reduce((product, n) => product * n, 1);
  if (rank < 2) return undefined;
  if (nRows === pos.length) return [...places];
  if (nRows === heads.length) return heads;
  if (nRows !== pos.length * heads.length) return undefined;
  return isByHead
    ? heads.flatMap((h) => places.map((place) => `${h} ${place}`))
    : pos.flatMap((p) => heads.map((h) => `${p} ${h}`));
}
