import { assertEquals } from "@std/assert";
import { getActName } from "../../src/hooks/act_name.ts";

const CASES: [args: Parameters<typeof getActName>, wanted: string][] = [
  // Full names come back as they are, as long as nothing else is said.
  [["blocks.5.attn.hook_z"], "blocks.5.attn.hook_z"],
  [["hook_embed"], "hook_embed"],
  [["ln_final.hook_scale"], "ln_final.hook_scale"],
  // Points outside the blocks.
  [["embed"], "hook_embed"],
  [["pos_embed"], "hook_pos_embed"],
  [["scale"], "ln_final.hook_scale"],
  [["normalized"], "ln_final.hook_normalized"],
  // Points of a block.
  [["resid_pre", 0], "blocks.0.hook_resid_pre"],
  [["resid_post", "11"], "blocks.11.hook_resid_post"],
  [["attn_out", 2], "blocks.2.hook_attn_out"],
  [["mlp_out", 2], "blocks.2.hook_mlp_out"],
  [["q_input", 3], "blocks.3.hook_q_input"],
  // The name tells the part.
  [["k", 1], "blocks.1.attn.hook_k"],
  [["rot_q", 1], "blocks.1.attn.hook_rot_q"],
  [["result", 1], "blocks.1.attn.hook_result"],
  [["pre", 2], "blocks.2.mlp.hook_pre"],
  [["mid", 2], "blocks.2.mlp.hook_mid"],
  [["pre_linear", 2], "blocks.2.mlp.hook_pre_linear"],
  [["post", 2, "attn"], "blocks.2.mlp.hook_post"],
  // Aliases of names.
  [["attn", 6], "blocks.6.attn.hook_pattern"],
  [["attn_logits", 6], "blocks.6.attn.hook_attn_scores"],
  [["key", 6], "blocks.6.attn.hook_k"],
  [["query", 6], "blocks.6.attn.hook_q"],
  [["value", 6], "blocks.6.attn.hook_v"],
  [["mlp_pre", 6], "blocks.6.mlp.hook_pre"],
  [["mlp_mid", 6], "blocks.6.mlp.hook_mid"],
  [["mlp_post", 6], "blocks.6.mlp.hook_post"],
  // Layer types and their short forms.
  [["normalized", 27, "ln2"], "blocks.27.ln2.hook_normalized"],
  [["scale", 4, "ln1"], "blocks.4.ln1.hook_scale"],
  [["in", 4, "m"], "blocks.4.mlp.hook_in"],
  [["x", 4, "a"], "blocks.4.attn.hook_x"],
  [["x", 4, "attention"], "blocks.4.attn.hook_x"],
  [["resid_mid", 4, "b"], "blocks.4.hook_resid_mid"],
  [["resid_mid", 4, "block"], "blocks.4.hook_resid_mid"],
  [["resid_mid", 4, "blocks"], "blocks.4.hook_resid_mid"],
  // Shorthand: name, layer and type in one word, which win over the arguments.
  [["k6"], "blocks.6.attn.hook_k"],
  [["attn5"], "blocks.5.attn.hook_pattern"],
  [["scale4ln1"], "blocks.4.ln1.hook_scale"],
  [["pre5b"], "blocks.5.mlp.hook_pre"],
  [["pattern2"], "blocks.2.attn.hook_pattern"],
  [["k6", 2], "blocks.6.attn.hook_k"],
  // The shorthand has no underscore before the layer, so this stays a name.
  [["resid_pre5"], "hook_resid_pre5"],
  [["normalized9"], "blocks.9.hook_normalized"],
  // Words that an object has by nature are no aliases.
  [["constructor", 1, "toString"], "blocks.1.toString.hook_constructor"],
];

for (const [args, wanted] of CASES) {
  const shown = args.map((arg) => JSON.stringify(arg)).join(", ");
  Deno.test(`getActName() reads (${shown}) as ${wanted}`, () => {
    assertEquals(getActName(...args), wanted);
  });
}
