/**
 * The HookedSAETransformer notebook from top to bottom: sparse autoencoders spliced into a model that does Indirect Object
 * Identification, their features found, ablated, path-patched and attributed.
 *
 * `deno task demo` runs it on the embedded model; `--help` names the options for others.
 */
import { parseArgs } from "node:util";
import { HookedSAETransformer } from "../mod.ts";
import embeddedTask from "./ioi_prompts.json" with { type: "json" };
import gpt2SmallTask from "./ioi_prompts_gpt2_small.json" with { type: "json" };
import { attributeAtS2, attributeEverywhere } from "./_ioi_attribution.ts";
import { loadSaes } from "./_ioi_saes.ts";
import {
  ablateAtEnd,
  ablateAtS2,
  ablateWithErrorTerm,
  countFeatures,
  findLiveFeatures,
  patchPaths,
  runClean,
  spliceResidual,
  spliceSubsets,
} from "./_ioi_steps.ts";
import { checkTask, parseTask, readTask, type Task } from "./_ioi_task.ts";
import { drawDownload, Report } from "./_report.ts";

const HELP = `Runs the HookedSAETransformer notebook and writes ioi.html and ioi.json.

  deno run --allow-read --allow-write examples/ioi.ts [options]

  --model <name|folder|URL>   the model; "ioi-tiny" unless said
  --saes <release|folder>     a release of SAEs, or a folder of SAE folders in SAELens' layout;
                              "ioi-tiny-hook-z" unless said, "gpt2-small-hook-z-kk" for GPT-2 small
  --prompts <file>            a JSON file in the form of examples/ioi_prompts.json:
                              prompts, answers, s2Pos, s2Layer, sInhibitionHeads;
                              those, or for GPT-2 small ioi_prompts_gpt2_small.json, unless said
  --out <folder>              where to write; "out" unless said
  --help                      this text`;

/** The SAEs and prompts of models that the notebook's circuit is known in. */
const STUDIED: Readonly<Record<string, { saes: string; prompts: () => Task }>> = {
  "ioi-tiny": {
    saes: "ioi-tiny-hook-z",
    prompts: () => readTask(embeddedTask, "ioi_prompts.json"),
  },
  "gpt2": {
    saes: "gpt2-small-hook-z-kk",
    prompts: () => readTask(gpt2SmallTask, "ioi_prompts_gpt2_small.json"),
  },
};

/** What is studied in a model unless said. */
function studyOf(model: string) {
  return STUDIED[model === "gpt2-small" ? "gpt2" : model] ?? STUDIED["ioi-tiny"];
}

/** The notebook. */
async function runNotebook(options: { model: string; saes: string; out: string }, task: Task) {
  const report = new Report(`Indirect object identification in ${options.model}`);
  const model = await HookedSAETransformer.fromPretrained(options.model, {
    onProgress: drawDownload,
  });
  checkTask(task, model);
  const saes = await loadSaes(options.saes, task, model.cfg.nLayers);
  const study = await runClean(model, saes, task, report);

  await spliceSubsets(study);
  await countFeatures(study);
  const live = await findLiveFeatures(study);
  const baseline = await ablateAtS2(study, live);
  await ablateAtEnd(study);
  await patchPaths(study, live, baseline);
  const effects = await ablateWithErrorTerm(study, live);
  await attributeAtS2(study, live, effects);
  await attributeEverywhere(study);
  if (study.residual.size > 0) await spliceResidual(study);
  await report.write(options.out);
}

async function main(args: string[]): Promise<number> {
  const text = (name: string) => ({ type: "string", default: name }) as const;
  try {
    const { values } = parseArgs({
      args,
      options: {
        model: text("ioi-tiny"),
        saes: { type: "string" },
        prompts: { type: "string" },
        out: text("out"),
        help: { type: "boolean" },
      },
    });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    const { model, out, prompts } = values;
    const study = studyOf(model);
    const task = prompts === undefined
      ? study.prompts()
      : parseTask(await Deno.readTextFile(prompts), prompts);
    await runNotebook({ model, saes: values.saes ?? study.saes, out }, task);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
