import { edits, type PathEnd } from "../../mod.ts";
import { takeCells } from "../cells.ts";
import { isTokenOf, placedEditCommand, takePoint } from "../edit_command.ts";

export const path = placedEditCommand({
  name: "path",
  usage: "path POINT [CELLS] to POINT [CELLS] [through attn|mlp]",
  summary: "ablate cells, but let only some points notice: path patching",
  details:
    "The ablation reaches the points behind `to` along the direct path through the residual stream. Attention layers and MLPs between keep their values, unless `through` names them.",
  keywords: ["to", "and", "through", "attn", "mlp"],
  completes: ["point", "cells"],
  examples: [
    ["path 1.z.sae 517 @10 to 2.q_input h1 @-1", "a feature, as the queries of one head see it"],
    ["path 1.z @10 to 2.v_input @10", "layer 1's attention, as the values of layer 2 see it"],
  ],
}, (reader, context) => {
  const at = takePoint(reader, context);
  const edit = edits.ablate(takeCells(reader, isTokenOf(context)));
  reader.requireKeyword("to");
  const to: PathEnd[] = [];
  do {
    const at = takePoint(reader, context);
    const { when: _, ...cells } = takeCells(reader, isTokenOf(context));
    to.push({ at, ...cells });
  } while (reader.takeIf("and"));
  const through = reader.takeIf("through")
    ? [reader.requireKeyword("attn", "mlp") as "attn" | "mlp"]
    : [];
  reader.end();
  return { at, edit: edits.pathPatch({ edit, to, through }) };
});
