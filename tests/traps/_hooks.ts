/** Hooks and caches (TransformerLens' hook_points.py and HookedRootModule.py). */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Tensor, UnknownPointError } from "../../mod.ts";
import { assertSameBits, differs, tinyModel, TOKENS } from "../session/_models.ts";
import type { Trap } from "./_trap.ts";

const RESID = "blocks.1.hook_resid_pre";

/** The traps of hooks. */
export const HOOK_TRAPS: readonly Trap[] = [
  {
    upstream: "aliasing: an edit in place rewrites what is cached of the same storage",
    here: "a cache is a snapshot: what a point showed before the edit is what it showed",
    show() {
      using model = tinyModel();
      const [, clean] = model.runWithCache(TOKENS);
      using _hooks = model.hooks({ fwdHooks: [[RESID, (x) => x.set([":", 2], 0)]] });
      const [, cache] = model.runWithCache(TOKENS);
      assertSameBits(cache.get("blocks.0.hook_resid_post"), clean.get("blocks.0.hook_resid_post"));
      assertEquals(cache.get(RESID).at(":", 2).any().item(), 0);
    },
  },
  {
    upstream: "switched-off points: hooks() and run_with_hooks() add what never fires",
    here: "an exact name opens the point for the run, as nobody names what they don't want",
    show() {
      using model = tinyModel();
      for (const part of ["hook_q_input", "attn.hook_result", "hook_mlp_in", "hook_attn_in"]) {
        let fired = 0;
        model.runWithHooks(TOKENS, { fwdHooks: [[`blocks.0.${part}`, () => void fired++]] });
        assertEquals(fired, 1, part);
      }
    },
  },
  {
    upstream: "switched-off points: add_hook() of a predicate over all names raises",
    here: "a predicate means the points that fire, so it is added and sees those",
    show() {
      using model = tinyModel();
      const seen = new Set<string>();
      model.addHook(() => true, (_, { name }) => void seen.add(name));
      const [, cache] = model.runWithCache(TOKENS);
      assertEquals([...seen].sort(), [...cache.keys()].sort());
      assert(!seen.has("blocks.0.hook_q_input"));
    },
  },
  {
    upstream: "a hook that can't fire in a run is skipped in silence",
    here: "it is an error with the reason, as its result would be taken for that of the hook",
    show() {
      using model = tinyModel();
      assertThrows(
        () => model.runWithHooks(TOKENS, { stopAtLayer: 1, fwdHooks: [[RESID, (x) => x]] }),
        UnknownPointError,
        RESID,
      );
    },
  },
  {
    upstream: "backward hooks of run_with_hooks() are gone before backward() is called",
    here: "a run keeps the hooks that it began with until its backward pass",
    show() {
      using model = tinyModel();
      let gradient: Tensor | undefined;
      const loss = model.runWithHooks(TOKENS, {
        returnType: "loss",
        bwdHooks: [[RESID, (grad) => void (gradient = grad.clone())]],
      });
      loss.backward();
      assertEquals(gradient?.shape, [2, 6, 16]);
      assertEquals(model.listHooks(), []);
    },
  },
  {
    upstream: "pos_slice with split inputs takes positions of ln1 along its axis of heads",
    here: "positions are positions: those of the full cache, whatever the switches",
    show() {
      using model = tinyModel();
      model.setUseSplitQkvInput(true);
      const [, full] = model.runWithCache(TOKENS);
      const [, some] = model.runWithCache(TOKENS, { posSlice: [1, 4] });
      for (const name of ["ln1.hook_normalized", "ln1.hook_scale", "hook_q_input"]) {
        const point = `blocks.0.${name}`;
        assertEquals(full.get(point).rank, 4);
        assertSameBits(some.get(point), full.get(point).at(":", [1, 4]));
      }
    },
  },
  {
    upstream: "the gradient cached at ln1 is that of the query's path alone",
    here:
      "it is the total, as a finite difference gives it; with split inputs each path has its own",
    show() {
      using model = tinyModel();
      const point = "blocks.1.ln1.hook_normalized";
      const options = { returnType: "loss", inclBwd: true, namesFilter: [point] } as const;
      const total = model.runWithCache(TOKENS, options)[1].get(`${point}_grad`);
      const loss = (nudge: number) =>
        model.runWithHooks(TOKENS, {
          returnType: "loss",
          fwdHooks: [[point, (x) => x.set([0, 2, 5], x.at(0, 2, 5).add(nudge))]],
        }).item();
      const step = 0.05;
      const slope = (loss(step) - loss(-step)) / (2 * step);
      // The third derivative times the step's square, and float32 over the step.
      assert(Math.abs(total.at(0, 2, 5).item() - slope) < 1e-4, `${slope}`);
      model.setUseSplitQkvInput(true);
      const query = model.runWithCache(TOKENS, options)[1].get(`${point}_grad`).sum(2);
      assert(differs(query, total));
    },
  },
];
