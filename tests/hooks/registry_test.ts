import { assertEquals } from "@std/assert";
import { type HookEntry, HookRegistry } from "../../src/hooks/hook_registry.ts";

/** A hook that is only told apart by where it is. */
function entry(
  selector: HookEntry["selector"],
  { direction = "fwd", isPermanent = false, level = null }: Partial<
    Omit<HookEntry, "hook" | "selector">
  > = {},
): HookEntry {
  return { selector, hook: () => {}, direction, isPermanent, level };
}

const A = "hook_embed";
const B = "hook_pos_embed";

Deno.test("HookRegistry.at() gives hooks by name, predicate and direction, in order", () => {
  const registry = new HookRegistry();
  const [exact, predicate, other, backward] = [
    entry(A),
    entry((name) => name.endsWith("_embed")),
    entry(B),
    entry(A, { direction: "bwd" }),
  ];
  for (const hook of [exact, predicate, other, backward]) registry.add(hook);
  const first = entry(A);
  registry.add(first, true);
  assertEquals(registry.entries, [first, exact, predicate, other, backward]);
  assertEquals(registry.at(A, "fwd"), [first, exact, predicate]);
  assertEquals(registry.at(B, "fwd"), [predicate, other]);
  assertEquals(registry.at(A, "bwd"), [backward]);
  assertEquals(registry.at("hook_tokens", "fwd"), []);
});

Deno.test("HookRegistry.at() lets a gated point answer to its exact name alone", () => {
  const registry = new HookRegistry();
  const [exact, predicate] = [entry(A), entry(() => true)];
  registry.add(exact);
  registry.add(predicate);
  assertEquals(registry.at(A, "fwd", true), [exact]);
  assertEquals(registry.at(A, "fwd", false), [exact, predicate]);
});

Deno.test("HookRegistry.remove() chooses by direction, permanence and level", () => {
  const hooks = {
    plain: entry(A),
    permanent: entry(A, { isPermanent: true, level: 1 }),
    one: entry(A, { level: 1 }),
    two: entry(A, { level: 2 }),
    backward: entry(A, { direction: "bwd", level: 1 }),
  };
  type Name = keyof typeof hooks;
  const left = (removal: Parameters<HookRegistry["remove"]>[0]): Name[] => {
    const registry = new HookRegistry();
    Object.values(hooks).forEach((hook) => registry.add(hook));
    registry.remove(removal);
    const names = Object.entries(hooks) as [Name, HookEntry][];
    return names.filter(([, hook]) => registry.entries.includes(hook)).map(([name]) => name);
  };
  assertEquals(left({}), ["permanent"]);
  assertEquals(left({ level: 1 }), ["plain", "permanent", "two"]);
  assertEquals(left({ direction: "bwd" }), ["plain", "permanent", "one", "two"]);
  assertEquals(left({ direction: "fwd", level: 2 }), ["plain", "permanent", "one", "backward"]);
  assertEquals(left({ includingPermanent: true }), []);
  assertEquals(left({ includingPermanent: true, level: 1 }), []);
});

Deno.test("HookRegistry.removeAt() leaves predicates and other names", () => {
  const registry = new HookRegistry();
  const [predicate, other] = [entry(() => true), entry(B)];
  for (const hook of [entry(A), predicate, other, entry(A, { isPermanent: true })]) {
    registry.add(hook);
  }
  registry.removeAt(new Set([A]));
  assertEquals(registry.entries, [predicate, other]);
});
