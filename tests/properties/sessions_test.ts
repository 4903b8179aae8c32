// A session is a list of edits with a way back and forward, whatever is done to it; and a file of one, whole or broken.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConfigError,
  type Edit,
  type HookedSAE,
  type HookedSAETransformer,
  HookError,
  memoryUsage,
  metrics,
  Session,
  ShapeError,
  TokenError,
  UnknownPointError,
  WeightFileError,
} from "../../mod.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "../session/_models.ts";
import { check, fc } from "./_check.ts";
import { editAt } from "./_edits.ts";
import { broken, faults } from "./_json.ts";

/** An edit in a list, as the model of a session has it. */
interface Listed {
  readonly id: number;
  readonly at: string;
  readonly edit: Edit;
  readonly isOn: boolean;
}

/** What a session should be: the stacks that it has been at, and where among them it is. */
interface Wanted {
  stacks: (readonly Listed[])[];
  at: number;
  nextIds: number[];
}

/** A session that takes the place of its forks. */
interface Real {
  session: Session;
}

const now = ({ stacks, at }: Wanted) => stacks[at];

/** Goes on to another stack. */
function step(wanted: Wanted, stack: readonly Listed[], nextId = wanted.nextIds[wanted.at]): void {
  wanted.stacks = [...wanted.stacks.slice(0, wanted.at + 1), stack];
  wanted.nextIds = [...wanted.nextIds.slice(0, wanted.at + 1), nextId];
  wanted.at++;
}

/** A command: what it does to both, said in one line. */
class Command implements fc.Command<Wanted, Real> {
  constructor(
    readonly text: string,
    readonly act: (wanted: Wanted, real: Real) => void,
  ) {}

  check(): boolean {
    return true;
  }

  run(wanted: Wanted, real: Real): void {
    this.act(wanted, real);
    const { session } = real;
    assertEquals(session.edits, now(wanted));
    assertEquals(session.nUndo, wanted.at);
    assertEquals(session.nRedo, wanted.stacks.length - 1 - wanted.at);
  }

  toString(): string {
    return this.text;
  }
}

/** Changes an edit by its number, or is refused where there is none of it. */
function byId(
  name: "off" | "on" | "remove",
  id: number,
  change: (stack: readonly Listed[]) => readonly Listed[],
): Command {
  return new Command(`${name}(${id})`, (wanted, { session }) => {
    if (!now(wanted).some((edit) => edit.id === id)) {
      assertThrows(() => session[name](id), ConfigError, `There is no edit ${id}`);
      return;
    }
    session[name](id);
    step(wanted, change(now(wanted)));
  });
}

const ids = fc.integer({ min: 1, max: 6 });
const switched = (id: number | undefined, isOn: boolean) => (stack: readonly Listed[]) =>
  stack.map((edit) => id === undefined || edit.id === id ? { ...edit, isOn } : edit);

const commands = [
  editAt.map(([at, edit]) =>
    new Command(`edit(${JSON.stringify([at, edit])})`, (wanted, { session }) => {
      try {
        const id = session.edit(at, edit);
        assertEquals(id, wanted.nextIds[wanted.at]);
        step(wanted, [...now(wanted), { id, at, edit, isOn: true }], id + 1);
      } catch (error) {
        // What names no position of the prompts changes nothing.
        if (!(error instanceof TokenError)) throw error;
      }
    })
  ),
  ids.map((id) => byId("off", id, switched(id, false))),
  ids.map((id) => byId("on", id, switched(id, true))),
  ids.map((id) => byId("remove", id, (stack) => stack.filter((edit) => edit.id !== id))),
  fc.boolean().map((isOn) =>
    new Command(isOn ? "on()" : "off()", (wanted, { session }) => {
      session[isOn ? "on" : "off"]();
      step(wanted, switched(undefined, isOn)(now(wanted)));
    })
  ),
  fc.integer({ min: 1, max: 3 }).map((steps) =>
    new Command(`undo(${steps})`, (wanted, { session }) => {
      assertEquals(session.undo(steps), Math.min(steps, wanted.at));
      wanted.at = Math.max(0, wanted.at - steps);
    })
  ),
  fc.integer({ min: 1, max: 3 }).map((steps) =>
    new Command(`redo(${steps})`, (wanted, { session }) => {
      const left = wanted.stacks.length - 1 - wanted.at;
      assertEquals(session.redo(steps), Math.min(steps, left));
      wanted.at += Math.min(steps, left);
    })
  ),
  fc.constant(
    new Command("fork(), and edit what was forked", (_, real) => {
      const before = real.session;
      real.session = before.fork();
      before.undo(3);
      before.off();
    }),
  ),
  fc.constant(new Command("run()", (_, { session }) => void session.run())),
];

/** A model with an SAE whose codes no edit of these reaches, and sessions on them. */
function setting(): {
  model: HookedSAETransformer;
  saes: HookedSAE[];
  begin: () => Session;
} & Disposable {
  const model = tinyModel();
  const saes = [tinySae("blocks.1.hook_mlp_out")];
  const metric = metrics.logitDiff([1, 2]);
  return {
    model,
    saes,
    begin: () => model.session(TOKENS, { saes, metric, useErrorTerm: true }),
    [Symbol.dispose]: () => [model, ...saes].forEach((part) => part[Symbol.dispose]()),
  };
}

/** Whether a stack's edits can be run: several may not get on with each other's places. */
function fresh(begin: () => Session, stack: readonly Listed[]): Session {
  const session = begin();
  for (const { at, edit, isOn } of stack) {
    const id = session.edit(at, edit);
    if (!isOn) session.off(id);
  }
  return session;
}

Deno.test("A session follows a plain list of edits, and runs as a fresh one with that list", async () => {
  using parts = setting();
  const { model, begin } = parts;
  await check(
    fc.property(fc.commands(commands, { maxCommands: 12 }), (all) => {
      const wanted: Wanted = { stacks: [[]], at: 0, nextIds: [1] };
      const real: Real = { session: begin() };
      fc.modelRun(() => ({ model: wanted, real }), all);
      const { logits, metric } = real.session.run();
      model.keepBase = false;
      const alone = fresh(begin, now(wanted)).run();
      model.keepBase = true;
      assertSameBits(logits, alone.logits);
      assertSameBits(metric!, alone.metric!);
    }),
    0.3,
  );
});

/** A stack of edits that a session took. */
const stacks = fc.array(editAt, { maxLength: 4 });

function sessionWith(begin: () => Session, edits: readonly (readonly [string, Edit])[]): Session {
  const session = begin();
  for (const [at, edit] of edits) {
    try {
      session.edit(at, edit);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
    }
  }
  return session;
}

Deno.test("A session comes back from its file as it was, to the bit", async () => {
  using parts = setting();
  const { model, saes, begin } = parts;
  await check(
    fc.asyncProperty(stacks, fc.nat(3), async (edits, switchedOff) => {
      const session = sessionWith(begin, edits);
      session.edits.slice(0, switchedOff).forEach(({ id }) => session.off(id));
      const file = JSON.stringify(session.toJSON());
      const loaded = await Session.load(file, { model, saes });
      assertEquals(loaded.edits, session.edits);
      assertEquals(JSON.stringify(loaded.toJSON()), file);
      assertSameBits(loaded.run().logits, session.run().logits);
      const { isSameBits } = await Session.replay(file, { model, saes });
      assert(isSameBits);
    }),
    0.2,
  );
});

/** Errors that a broken file may end in. */
const TYPED = [
  ConfigError,
  ShapeError,
  TokenError,
  UnknownPointError,
  WeightFileError,
  // A position, head or feature that isn't there.
  RangeError,
];

/** Whether an error says what is wrong with a file; what an edit throws in a run comes as the cause of a hook's. */
function isTyped(error: unknown): boolean {
  if (error instanceof HookError) return isTyped(error.cause);
  return TYPED.some((type) => error instanceof type);
}

Deno.test("A broken file of a session ends in a typed error or in a session that runs", async () => {
  using parts = setting();
  const { model, saes, begin } = parts;
  let [refused, whole] = [0, 0];
  const cases = fc.record({ edits: stacks, faults });
  await check(
    fc.asyncProperty(cases, async ({ edits, faults }) => {
      const json = broken(JSON.parse(JSON.stringify(sessionWith(begin, edits).toJSON())), faults);
      try {
        const loaded = await Session.load(JSON.stringify(json) ?? "", { model, saes });
        loaded.describe();
        loaded.run().logits.at(":", -1).data();
        loaded.undo(9);
        whole++;
      } catch (error) {
        if (!isTyped(error)) throw error;
        refused++;
      }
    }),
    1.5,
  );
  // Faults have to be found, and not each of them matters.
  assert(refused > 20 && whole > 20, `${refused} refused, ${whole} whole`);
  const cut = fc.tuple(stacks, fc.nat(), fc.nat(), fc.string({ maxLength: 3 }));
  await check(
    fc.asyncProperty(cut, async ([edits, from, length, typed]) => {
      const file = JSON.stringify(sessionWith(begin, edits).toJSON());
      const start = from % file.length;
      const text = file.slice(0, start) + typed + file.slice(start + length % 4);
      try {
        (await Session.load(text, { model, saes })).run().logits.at(":", -1).data();
      } catch (error) {
        if (!isTyped(error)) throw error;
      }
    }),
    0.5,
  );
  model.keepBase = false;
  const { liveBytes, weightBytes } = memoryUsage();
  assertEquals(liveBytes, weightBytes);
});
