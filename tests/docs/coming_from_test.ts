import { assert, assertEquals } from "@std/assert";
import {
  ActivationCache,
  HookedSAETransformer,
  HookedTransformer,
  patching,
  SAE,
  Tensor,
  utils,
} from "../../mod.ts";
import * as splicer from "../../mod.ts";
import { ROOT } from "./_pages.ts";

Deno.test("the calls that stand beside TransformerLens' are there", async () => {
  const page = await Deno.readTextFile(
    new URL("docs/coming-from-transformerlens.md", ROOT),
  );
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using sae = await SAE.fromPretrained("ioi-tiny-hook-z", "blocks.1.hook_z");
  const tensor = Tensor.zeros([1]);
  const owners: Record<string, object> = {
    model,
    cache: new ActivationCache(new Map(), model),
    sae,
    cfg: { ...model.cfg, ...sae.cfg },
    t: tensor,
    a: tensor,
    utils,
    patching,
    HookedTransformer,
    HookedSAETransformer,
    SAE,
  };
  const cells = page.split("\n").filter((line) => /^\| `/.test(line))
    .map((line) => line.split(" | ").slice(1).join(" | "));
  const calls = cells.flatMap((cell) => [...cell.matchAll(/\b(\w+)\.(\w+)/g)])
    .filter(([, owner]) => Object.hasOwn(owners, owner));
  assert(calls.length > 40, `${calls.length} calls were found`);
  const missing = calls.filter(([, owner, name]) => !(name in owners[owner])).map(([call]) => call);
  assertEquals(missing, []);
  const functions = cells.flatMap((cell) => [...cell.matchAll(/`(\w+)\((?:features|…)/g)]);
  assertEquals(functions.filter(([, name]) => !(name in splicer)).map(([, name]) => name), []);
});
