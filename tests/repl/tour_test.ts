import { assertEquals, assertStringIncludes } from "@std/assert";
import { TOUR } from "../../repl/tour.ts";
import { assertSameOutput } from "../_written_output.ts";
import { runProgram } from "./_program.ts";
import { PAGE, tourPage } from "./_tour_page.ts";

Deno.test("docs/tour.md shows what the program writes today", async () => {
  assertSameOutput(await Deno.readTextFile(PAGE), await tourPage());
});

Deno.test("repl: the tour runs as a whole, and says what it says", async () => {
  const { code, out, err } = await runProgram(["--json", "--eval", "tour"]);
  assertEquals({ code, err }, { code: 0, err: "" });
  const { steps } = JSON.parse(out);
  assertEquals(steps.map(({ line }: { line: string }) => line), TOUR.map(({ line }) => line));
  const metric = (line: string) =>
    steps.find((step: { line: string }) => step.line.startsWith(line)).metric.now[0];
  // What the tour's words claim.
  const [top, heads] = steps;
  assertEquals(top.texts[0].tokens[0].token, " Mary");
  const changes = heads.variants.map(({ change }: { change: number }) => change);
  assertEquals(Math.min(...changes), changes[3]);
  assertEquals(Math.round(metric("cut") * 10), 27);
  assertEquals(Math.round(metric("undo") * 10), 233);
  assertEquals(metric("patch") < 0, true);
  const sweep = steps.find(({ line }: { line: string }) => line.startsWith("sweep 1.z.sae"));
  const byEffect = [...sweep.variants].sort((a, b) => a.change - b.change);
  assertEquals(byEffect.slice(0, 2).map(({ cell }) => cell.feature), [969, 532]);
  assertEquals(metric("path") < metric("ablate"), true);
});

Deno.test("repl: the tour is about the embedded model and begins without edits", async () => {
  const { err } = await runProgram([], ["ablate 1.z", "tour"]);
  assertStringIncludes(err, "The tour begins without edits");
});
