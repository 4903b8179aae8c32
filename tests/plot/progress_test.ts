import { assertEquals, assertThrows } from "@std/assert";
import { progress, progressLine } from "../../src/plot/progress.ts";

/** A screen that keeps what is written, and a clock that moves by hand. */
function watchedScreen(isTerminal: boolean) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const screen = {
    isTerminal,
    columns: 80,
    hasColours: false,
    write: (text: string) => void written.push(text),
  };
  return { written, clock, options: { screen, now: () => clock.ms } };
}

Deno.test("progress() passes items on and draws a bar from start to end", () => {
  const { written, clock, options } = watchedScreen(true);
  const seen: number[] = [];
  for (const item of progress([1, 2, 3, 4], { label: "ablating", ...options })) {
    seen.push(item);
    clock.ms += 500;
  }
  assertEquals(seen, [1, 2, 3, 4]);
  assertEquals(written, [
    "\rablating:   0%|                                        | 0/4 [00:00<?, ?it/s]\x1b[K",
    "\rablating:  25%|████████▊                          | 1/4 [00:00<00:01, 2.00it/s]\x1b[K",
    "\rablating:  50%|█████████████████▌                 | 2/4 [00:01<00:01, 2.00it/s]\x1b[K",
    "\rablating:  75%|██████████████████████████▎        | 3/4 [00:01<00:00, 2.00it/s]\x1b[K",
    "\rablating: 100%|███████████████████████████████████| 4/4 [00:02<00:00, 2.00it/s]\x1b[K",
    "\rablating: 100%|███████████████████████████████████| 4/4 [00:02<00:00, 2.00it/s]\x1b[K",
    "\n",
  ]);
});

Deno.test("progress() draws at most ten times a second", () => {
  const { written, clock, options } = watchedScreen(true);
  for (const _ of progress(new Set(Array(1000).keys()), options)) clock.ms += 1;
  // Once at the start, at each tenth of the second, and at the end with its line break.
  assertEquals(written.length, 1 + 10 + 2);
});

Deno.test("progress() writes nothing where the screen is no terminal", () => {
  const { written, options } = watchedScreen(false);
  assertEquals([...progress(["a", "b"], options)], ["a", "b"]);
  assertEquals(written, []);
});

Deno.test("progress() leaves its line and closes the source on break and on throw", () => {
  let closed = 0;
  function* source() {
    try {
      yield 1;
      yield 2;
    } finally {
      closed++;
    }
  }
  const { written, options } = watchedScreen(true);
  for (const _ of progress(source(), options)) break;
  assertEquals([closed, written[written.length - 1]], [1, "\n"]);
  const thrown = assertThrows(() => {
    for (const _ of progress(source(), options)) throw new Error("from the loop");
  });
  assertEquals((thrown as Error).message, "from the loop");
  assertEquals([closed, written[written.length - 1]], [2, "\n"]);
});

Deno.test("progress() passes items on that come asynchronously", async () => {
  async function* source() {
    yield await Promise.resolve("a");
    yield "b";
  }
  const { written, clock, options } = watchedScreen(true);
  const seen: string[] = [];
  for await (const item of progress(source(), options)) {
    seen.push(item);
    clock.ms += 2000;
  }
  assertEquals(seen, ["a", "b"]);
  assertEquals(written[1], "\r1it [00:02, 2.00s/it]\x1b[K");
});

Deno.test("progressLine() keeps to the width, and writes hours", () => {
  assertEquals(
    progressLine(10, 20, 7200, { label: "sweep", columns: 60 }),
    "sweep:  50%|█████     | 10/20 [2:00:00<2:00:00, 720.00s/it]",
  );
  assertEquals(
    progressLine(1, 3, 1, { label: "", columns: 20 }),
    "33% 1/3 [00:01<00:02, 1.00it/s]",
  );
  assertEquals(
    progressLine(0, 0, 0, { label: "", columns: 50 }),
    "100%|██████████████████| 0/0 [00:00<00:00, ?it/s]",
  );
});
