/**
 * Edits in words.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import { ActivationCache } from "./activation_cache.ts";
import { describePositions, type Positions } from "./edit_positions.ts";
import type { Edit, EditCells, EditSource, EditValue, PathEnd, Places } from "./edits.ts";

function places(word: string, value: Places | undefined): string[] {
  if (value === undefined) return [];
  const list = [value].flat();
  const shown = list.length > 6
    ? `${list.slice(0, 5).join(",")},… (${list.length})`
    : list.join(",");
  return [`${list.length > 1 ? `${word}s` : word} ${shown}`];
}

function where({ feature, head, pos, text, when }: EditCells): string {
  const condition = when === undefined ? [] : when === "live" ? ["where live"] : [
    "where " + [
      when.feature === undefined ? "it is" : `feature ${when.feature} is`,
      when.above === undefined ? "" : `above ${when.above}`,
      when.below === undefined ? "" : `below ${when.below}`,
      when.above === undefined && when.below === undefined ? "live" : "",
    ].filter((part) => part !== "").join(" "),
  ];
  return [
    ...places("head", head),
    ...places("feature", feature),
    ...(pos === undefined ? [] : [describePositions(pos)]),
    ...places("in text", text),
    ...condition,
  ].join(" ");
}

function valueText(value: EditValue): string {
  if (typeof value === "number") return String(value);
  const shape = value instanceof Tensor ? value.shape : Tensor.from(value).shape;
  return `a value of shape [${shape.join(", ")}]`;
}

function sourceText(source: EditSource): string {
  if (typeof source === "string") return JSON.stringify(source);
  if (source instanceof Tensor) return `an activation of shape [${source.shape.join(", ")}]`;
  if (source instanceof ActivationCache) return "a cache";
  const [first] = source;
  if (typeof first !== "string") return "tokens";
  return source.length === 1 ? JSON.stringify(first) : `${source.length} prompts`;
}

function endText({ at, ...cells }: PathEnd): string {
  return [at, where(cells)].filter((part) => part !== "").join(" ");
}

function span(positions: Positions): string {
  return describePositions(positions).replace(/^at /, "");
}

/** Says an edit in words, without the point it is made at: `ablate feature 517 @10`. */
export function describeEdit(edit: Edit): string {
  switch (edit.kind) {
    case "pathPatch": {
      const through = edit.through.length > 0 ? ` through ${edit.through.join(" and ")}` : "";
      return `${describeEdit(edit.edit)}, reaching ${edit.to.map(endText).join(" and ")}${through}`;
    }
    case "cutEdge": {
      const heads = where({ head: edit.head, text: edit.text });
      return ["cut", heads, span(edit.from), "→", span(edit.to)].filter(Boolean).join(" ");
    }
  }
  const cells = where(edit) || "everything";
  switch (edit.kind) {
    case "ablate":
      return `ablate ${cells}`;
    case "meanAblate":
      return `mean-ablate ${cells}${
        edit.of === undefined ? "" : ` to that of ${sourceText(edit.of)}`
      }`;
    case "set":
      return `set ${cells} to ${valueText(edit.value)}`;
    case "scale":
      return `scale ${cells} by ${edit.by}`;
    case "clamp":
      return `clamp ${cells} to [${edit.min ?? "-∞"}, ${edit.max ?? "∞"}]`;
    case "add":
      return `add ${valueText(edit.value)} to ${cells}`;
    case "patch": {
      const from = edit.fromPos === undefined ? "" : ` ${describePositions(edit.fromPos)}`;
      return `patch ${cells} from ${sourceText(edit.from)}${from}`;
    }
    case "freeze":
      return `freeze ${cells}`;
  }
}
