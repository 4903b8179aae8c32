import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { layerSets } from "../../examples/_ioi_saes.ts";
import { checkTask, parseTask, readTask } from "../../examples/_ioi_task.ts";
import embedded from "../../examples/ioi_prompts.json" with { type: "json" };
import gpt2Small from "../../examples/ioi_prompts_gpt2_small.json" with { type: "json" };
import { ConfigError, HookedSAETransformer } from "../../mod.ts";
import { readTensors } from "../_fixtures.ts";
import { runDemo } from "./_demo.ts";

const MODELS = fileURLToPath(new URL("../../models/ioi-tiny/", import.meta.url));

Deno.test("demo runs another model, SAEs and prompts from their files", async () => {
  const folder = await Deno.makeTempDir({ prefix: "splicer_demo_" });
  try {
    const task = {
      ...embedded,
      prompts: embedded.prompts.slice(2, 5),
      answers: embedded.answers.slice(2, 5),
    };
    await Deno.writeTextFile(`${folder}/prompts.json`, JSON.stringify(task));
    const { code, out, err } = await runDemo([
      `--model=${MODELS}model`,
      `--saes=${MODELS}saes`,
      `--prompts=${folder}/prompts.json`,
      `--out=${folder}/new`,
    ], folder);
    assertEquals({ code, err }, { code: 0, err: "" });
    assert(out.includes("SAEs of the residual stream"), "the folder's other SAEs are found");
    const { tensors } = JSON.parse(await Deno.readTextFile(`${folder}/new/ioi.json`));
    const want = (await readTensors("ioi-tiny", "seed_workload.safetensors")).get(
      "saes.0_1_2_3.logit_diff",
    )!;
    const got: number[] = tensors["saes.0_1_2_3.logit_diff"].data;
    // The reference's own tolerance is 1e-4 both ways.
    assertEquals(got.map((value, i) => Math.abs(value - want.at(i + 2).item()) < 1e-3), [
      true,
      true,
      true,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("demo explains its options", async () => {
  const { code, out } = await runDemo(["--help"]);
  assertEquals(code, 0);
  const options = out.split("\n").map((line) => /^ {2}(--\w+)/.exec(line)?.[1]).filter(Boolean);
  assertEquals(options, ["--model", "--saes", "--prompts", "--out", "--help"]);
});

Deno.test("demo says in a line what is wrong with its options", async () => {
  const model = await runDemo(["--model", "ioi-tinny"]);
  assertEquals({ code: model.code, err: model.err }, {
    code: 1,
    err:
      'UnknownPointError: There is no model "ioi-tinny". The nearest are "ioi-tiny", "opt", "opt-13b". ' +
      'For a model in a folder, give its path ("./ioi-tinny") or URL.\n',
  });
  const saes = await runDemo(["--saes", "ioi-tiny-hookz"]);
  assertEquals({ code: saes.code, err: saes.err }, {
    code: 1,
    err:
      'UnknownPointError: There is no SAE release "ioi-tiny-hookz". Did you mean "ioi-tiny-hook-z", "ioi-tiny-resid", "gpt2-small-hook-z-kk"? ' +
      'For SAEs in a folder of your own, use SAE.fromDisk(folder); for a repository of the hub, its id "owner/name".\n',
  });
  const option = await runDemo(["--modle", "ioi-tiny"]);
  assertEquals(option.code, 1);
  assert(/^TypeError: Unknown option '--modle'/.test(option.err), option.err);
});

Deno.test("readTask() takes the files that come with the demo", () => {
  assertEquals<unknown>(readTask(embedded, "a"), embedded);
  assertEquals<unknown>(readTask(gpt2Small, "b"), gpt2Small);
});

Deno.test("readTask() names everything that is wrong at once", () => {
  const { prompts: _, ...rest } = embedded;
  const wrong = { ...rest, s2Pos: -1, answers: [[" John"]], s2layer: 1 };
  assertThrows(
    () => readTask(wrong, "p.json"),
    ConfigError,
    [
      'Cannot use "p.json":',
      '  "prompts" is missing, wanted a list of texts',
      '  "answers" is [[" John"]], wanted a list of [correct, incorrect] texts',
      '  "s2Pos" is -1, wanted a position from 0',
      '  "s2layer" is unknown; nearest is "s2Layer"',
    ].join("\n"),
  );
  assertThrows(
    () => readTask({ ...embedded, prompts: ["a"] }, "p.json"),
    ConfigError,
    'Cannot use "p.json":\n  there are 1 prompts with 8 answers',
  );
  assertThrows(
    () => parseTask("{", "p.json"),
    ConfigError,
    'Cannot use "p.json": it isn\'t JSON, wanted an object of prompts.',
  );
  assertThrows(
    () => parseTask("[]", "p.json"),
    ConfigError,
    'Cannot use "p.json": it isn\'t a JSON object, wanted one of prompts.',
  );
});

Deno.test("checkTask() refuses what doesn't fit the model", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const task = readTask({ ...gpt2Small, s2Pos: 15 }, "p.json");
  task.prompts[1] += " the";
  assertThrows(
    () => checkTask(task, model),
    ConfigError,
    [
      "Cannot study these prompts in ioi-tiny:",
      "  prompt 1 has 16 tokens, prompt 0 has 15, wanted equally many",
      '  "s2Pos" is 15, the prompts have 15 tokens',
      '  "s2Layer" is 5, the model has 4 layers',
      "  there is no head [7, 3] in 4 layers of 4 heads",
      "  there is no head [7, 9] in 4 layers of 4 heads",
      "  there is no head [8, 6] in 4 layers of 4 heads",
      "  there is no head [8, 10] in 4 layers of 4 heads",
    ].join("\n"),
  );
});

Deno.test("layerSets() tries every set of few layers, and the notebook's of many", () => {
  const all = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];
  assertEquals(layerSets([0, 1, 2]), all);
  assertEquals(layerSets([0, 1, 2, 3]).length, 15);
  const twelve = Array.from({ length: 12 }, (_, layer) => layer);
  assertEquals(layerSets(twelve), [[0, 3], [2, 4], [5, 6], [7, 8], [9, 10, 11]]);
  assertEquals(layerSets(twelve.filter((layer) => layer !== 7)), [[0, 3], [2, 4], [5, 6], [
    9,
    10,
    11,
  ]]);
});
