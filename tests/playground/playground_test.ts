// The playground, clicked through in a Chromium.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { HookedSAETransformer, SAE } from "../../mod.ts";
import { serveFiles } from "../../tools/serve_files.ts";
import { noChromium, runWithChromium } from "../_chromium.ts";
import { runDeno } from "../runtimes/_package.ts";

/** What the page shows at one time. */
export interface Showing {
  /** The logit difference, exactly. */
  readonly difference: number;
  /** Next tokens with their probabilities. */
  readonly next: readonly (readonly [token: string, probability: number])[];
  /** How many edits are listed. */
  readonly edits: number;
  /** The chosen feature's heading. */
  readonly chosen: string | null;
  readonly notice: string;
}

/** What was shown after each step. */
export interface Played {
  readonly first: Showing;
  readonly typed: Showing;
  readonly example: Showing;
  readonly chosen: Showing;
  readonly ablated: Showing;
  readonly undone: Showing;
  readonly redone: Showing;
  readonly undoneByKey: Showing;
  /** Differences while a slider was dragged. */
  readonly dragged: readonly number[];
  readonly steered: Showing;
  readonly unsteered: Showing;
  readonly scaled: Showing;
  /** The cell that the arrow keys came to. */
  readonly walked: string;
  readonly ablatedByKey: Showing;
  readonly fromBar: Showing;
  readonly nHeads: number;
  /** The largest change of attention in the last layer. */
  readonly attentionChange: number;
  /** How far the column beside the grid reaches down over the figures once the page is at its end. */
  readonly deskOverFigures: number;
  /** One of the shared edits taken out, and all of them. */
  readonly oneLess: Showing;
  readonly cleared: Showing;
  /** A visit without a mouse: at first, another prompt, ablated, steered too, undone. */
  readonly byKeyboard: readonly Showing[];
  readonly shared: Showing;
  readonly answered: Showing;
  readonly refused: Showing;
  readonly tooLong: Showing;
  /** How far the grid of a long text reaches into the next column; negative where there is room between. */
  readonly overlap: number;
  /** How much wider than its window the page is, in narrow windows. */
  readonly overflows: readonly number[];
  /** Errors and warnings of the console, and requests that failed. */
  readonly problems: readonly string[];
}

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";

/** The logit difference as the library gives it, without and with the feature. */
async function expectedDifferences(): Promise<{ plain: number; ablated: number }> {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using saes = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const [mary, john] = [" Mary", " John"].map((name) => model.toSingleToken(name));
  const logits = model.forward(PROMPT).at(0, -1);
  const edited = model.runWithHooksWithSaes(PROMPT, {
    saes,
    useErrorTerm: true,
    fwdHooks: [[CODES, (codes) => codes.set([":", 10, 969], 0)]],
  }).at(0, -1);
  return {
    plain: logits.at(mary).sub(logits.at(john)).item(),
    ablated: edited.at(mary).sub(edited.at(john)).item(),
  };
}

async function playInChromium(): Promise<Played> {
  const out = await Deno.makeTempDir({ prefix: "splicer_playground_" });
  try {
    await runDeno(["run", "--quiet", "-A", "tools/dist.ts", "playground", "--out", out]);
    await using server = serveFiles(new URL(`file://${out}/playground/`));
    const address = `http://127.0.0.1:${server.addr.port}/`;
    return JSON.parse(await runWithChromium(new URL("./_play.ts", import.meta.url), [address]));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

Deno.test({
  name: "the playground shows what a prompt, a feature, its ablation, steering and undoing do",
  ignore: noChromium !== undefined,
  fn: async (t) => {
    const [played, expected] = await Promise.all([playInChromium(), expectedDifferences()]);
    const { first, ablated, steered, scaled, shared } = played;

    await t.step("prompts", () => {
      assertEquals([first.difference, first.next[0][0]], [expected.plain, " Mary"]);
      assertEquals(played.typed.next[0][0], " Paris");
      assertEquals(played.example, first);
    });
    await t.step("a feature, switched off and on again", () => {
      assertEquals([played.chosen.chosen, played.chosen.difference], [
        "Feature 969",
        first.difference,
      ]);
      assertEquals([ablated.difference, ablated.edits], [expected.ablated, 1]);
      assertEquals(played.undone, played.chosen);
      assertEquals(played.redone, ablated);
      assertEquals(played.undoneByKey, played.chosen);
    });
    await t.step("a slider acts while it is dragged, and is one step to undo", () => {
      assertEquals(new Set([first.difference, ...played.dragged]).size, 4);
      assertEquals(played.dragged[2], steered.difference);
      assertEquals([steered.edits, steered.difference !== first.difference], [1, true]);
      assertEquals(played.unsteered.difference, first.difference);
      assertEquals([scaled.edits, scaled.difference !== steered.difference], [2, true]);
    });
    await t.step("the keyboard reaches what the mouse does", () => {
      assertEquals(played.walked, "blocks.1.hook_z:468@10");
      assertEquals([played.ablatedByKey.chosen, played.ablatedByKey.edits], ["Feature 468", 3]);
    });
    await t.step("without a mouse", () => {
      const [start, typed, off, both, undone] = played.byKeyboard;
      assertEquals([start.difference, typed.next[0][0]], [expected.plain, " Paris"]);
      assertEquals([typed.edits, off.edits, both.edits], [0, 1, 2]);
      assertEquals(new Set([typed, off, both].map(({ difference }) => difference)).size, 3);
      assertEquals(undone, { ...start, chosen: undone.chosen });
    });
    await t.step("figures", () => {
      assertNotEquals(played.fromBar.chosen, "Feature 468");
      assertEquals(played.nHeads, 4);
      assert(played.attentionChange > 0.001 && played.attentionChange < 1);
      assert(played.deskOverFigures < 0, `it reaches ${played.deskOverFigures} pixels too far`);
    });
    await t.step("a link opened elsewhere shows the same numbers", () => {
      assertEquals({ ...shared, chosen: null }, { ...played.fromBar, chosen: null });
      assertEquals([played.oneLess.edits, played.cleared.edits], [shared.edits - 1, 0]);
      assertNotEquals(played.oneLess.difference, shared.difference);
      assertEquals(played.cleared.difference, expected.plain);
    });
    await t.step("what can't be done is said", () => {
      assertEquals(played.answered.notice, "");
      assertEquals(
        played.refused.notice,
        "“ nonsense” isn't one token of the model; an answer must be.",
      );
      assertEquals(
        played.tooLong.notice,
        "This prompt is too long: the model reads 128 tokens.",
      );
    });
    await t.step("narrow and dark windows hold it, and nothing is wrong in the console", () => {
      assert(played.overlap < 0, `the grid reaches ${played.overlap} pixels too far`);
      assertEquals(played.overflows, [0, 0]);
      assertEquals(played.problems, []);
    });
  },
});
