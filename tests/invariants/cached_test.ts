// Invariant 2: a text run in pieces over a cache of keys and values has the bits of one run over all of it, at every point.

import { assertEquals } from "@std/assert";
import {
  type ActivationCache,
  HookedTransformerKeyValueCache,
  type HookSpec,
  Tensor,
} from "../../mod.ts";
import { uniform } from "../../src/core/random.ts";
import { assertSameBits, tinyModel, tinySae } from "../session/_models.ts";
import { type Variant, VARIANTS } from "../session/_variants.ts";

type Random = ReturnType<typeof uniform>;

const below = (random: Random, n: number) => Math.floor(random() * n);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)];

/** The ways in which models know positions. */
const KINDS: Readonly<Record<string, Variant>> = {
  "learned positions": { changes: {} },
  "learned positions, norms folded": { changes: { normalizationType: "LNPre" } },
  ...VARIANTS,
};

/** Cuts a text into pieces: ascending ends, the last one its length. */
function randomEnds(random: Random, nPos: number): number[] {
  const size = pick(random, [1, 2, 5, nPos]);
  const ends: number[] = [];
  for (let at = 0; at < nPos;) ends.push(at = Math.min(nPos, at + 1 + below(random, size)));
  return ends;
}

/** Flags of real tokens: none missing, or pads on the left, on the right, or in the middle of some texts. */
function randomMask(random: Random, batch: number, nPos: number): number[][] | undefined {
  const kind = pick(random, ["none", "left", "right", "middle"]);
  if (kind === "none") return undefined;
  return Array.from({ length: batch }, () => {
    const nPads = below(random, nPos - 1);
    const first = { left: 0, right: nPos - nPads, middle: 1 + below(random, nPos - nPads) }[kind]!;
    return Array.from({ length: nPos }, (_, pos) => pos >= first && pos < first + nPads ? 0 : 1);
  });
}

const columns = (rows: readonly number[][] | undefined, from: number, to: number) =>
  rows?.map((row) => row.slice(from, to));

/** Asserts that a piece's values are the whole text's at its positions. */
function assertPieceOf(
  whole: ActivationCache,
  piece: ActivationCache,
  [from, to]: readonly [number, number],
  [batch, nPos]: readonly [number, number],
  what: string,
): void {
  // The norms of heads have one axis for texts, positions and heads.
  const byPosition = (value: Tensor, nPos: number) =>
    value.reshape([batch, nPos, value.size / (batch * nPos)]);
  assertEquals([...piece.keys()], [...whole.keys()], what);
  for (const [name, value] of piece) {
    const all = whole.get(name);
    if (/\.[qk]_norm\./.test(name)) {
      assertSameBits(byPosition(value, to - from), byPosition(all, nPos).at(":", `${from}:${to}`));
      continue;
    }
    const isByKey = /hook_(attn_scores|pattern)$/.test(name);
    const isOfKeys = name.endsWith("hook_rot_k");
    const wanted = isByKey
      ? all.at(":", ":", `${from}:${to}`, `:${to}`)
      : all.at(":", isOfKeys ? `:${to}` : `${from}:${to}`);
    assertSameBits(value, wanted, `${what}, "${name}"`);
  }
}

/** Hooks that treat each position by itself, wherever a piece begins. */
function randomHooks(random: Random, names: readonly string[]): HookSpec[] {
  return Array.from({ length: below(random, 3) }, (): HookSpec => {
    const [wanted, factor] = [below(random, 8), 0.5 + random()];
    return [pick(random, names), (act, hook) => {
      const pos = wanted - hook.posOffset;
      if (pos >= 0 && pos < act.shape[1]) act.set([":", pos], act.at(":", pos).mul(factor));
    }];
  });
}

for (const [kind, { changes, never }] of Object.entries(KINDS)) {
  Deno.test(`pieces over a cache have the bits of the whole text: ${kind}`, () => {
    const random = uniform(23);
    for (let round = 0; round < 40; round++) {
      using model = tinyModel(changes);
      const saes = random() < 0.4 ? [tinySae("blocks.1.attn.hook_z", { seed: round })] : [];
      using _saes = model.saes(saes, { useErrorTerm: random() < 0.5 });
      model.setUseSplitQkvInput(random() < 0.2);
      model.setUseAttnResult(random() < 0.2);
      const [batch, nPos] = [1 + below(random, 3), 2 + below(random, 11)];
      const ids = Array.from(
        { length: batch },
        () => Array.from({ length: nPos }, () => below(random, 20)),
      );
      const mask = randomMask(random, batch, nPos);
      const hookable = [...model.hookDict.keys()].filter((name) =>
        /hook_(embed|resid_pre|[qkvz]|mlp_out|post|sae_acts_post)$/.test(name) && !never?.test(name)
      );
      using _hooks = model.hooks({ fwdHooks: randomHooks(random, hookable) });
      const run = (from: number, to: number, pastKvCache?: HookedTransformerKeyValueCache) =>
        model.runWithCache(Tensor.from(columns(ids, from, to)!, undefined, "int32"), {
          attentionMask: columns(mask, from, to),
          pastKvCache,
        });
      const [logits, whole] = run(0, nPos);
      using cache = HookedTransformerKeyValueCache.initCache(model.cfg, batch);
      let from = 0;
      for (const to of randomEnds(random, nPos)) {
        const what = `round ${round}: ${batch} x ${nPos}, positions ${from} to ${to}`;
        const [piece, seen] = run(from, to, cache);
        assertSameBits(piece, logits.at(":", `${from}:${to}`), what);
        assertPieceOf(whole, seen, [from, to], [batch, nPos], what);
        assertEquals(cache.length, to);
        from = to;
      }
      for (const sae of saes) sae[Symbol.dispose]();
    }
  });
}

Deno.test("a cache that was truncated goes on as if it had never held more", () => {
  const random = uniform(31);
  for (let round = 0; round < 20; round++) {
    using model = tinyModel();
    const [batch, nPos] = [1 + below(random, 2), 4 + below(random, 9)];
    const tokens = Tensor.from(
      Int32Array.from({ length: batch * nPos }, () => below(random, 20)),
      [batch, nPos],
    );
    const mask = randomMask(random, batch, nPos);
    const part = (from: number, to: number, pastKvCache?: HookedTransformerKeyValueCache) =>
      model.forward(tokens.at(":", `${from}:${to}`), {
        attentionMask: columns(mask, from, to),
        pastKvCache,
      });
    const whole = part(0, nPos);
    using cache = HookedTransformerKeyValueCache.initCache(model.cfg, batch);
    part(0, nPos, cache);
    for (let time = 0; time < 3; time++) {
      const at = below(random, nPos);
      cache.truncate(at);
      assertSameBits(part(at, nPos, cache), whole.at(":", `${at}:`), `round ${round} from ${at}`);
    }
  }
});
