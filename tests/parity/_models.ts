/** Every checkpoint among the fixtures, by the files that it comes with: raw, processed, gradients, weights, other dtypes. */

import { assertEquals } from "@std/assert";
import { HookedTransformer, type Tensor } from "../../mod.ts";
import {
  type FixtureEntry,
  fixtureIndex,
  type FixtureInfo,
  fixtureUrl,
  openFixture,
  readJson,
  readTensors,
} from "../_fixtures.ts";
import { EXACT, ruleOf } from "./_compare.ts";
import {
  gradients,
  kept,
  type Named,
  type ParityCase,
  perPrompt,
  prefixed,
  queryNormGradients,
  shown,
  tokenTensor,
  under,
} from "./_observe.ts";

/** What a fixture of a model is made of. */
export interface ModelFixture {
  /** The fixture's folder. */
  readonly name: string;
  /** The checkpoint's folder. */
  readonly model: string;
  readonly info: FixtureInfo;
}

/** Loads a checkpoint with the default processing. */
export function load(folder: string): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrained(fixtureUrl(folder));
}

/** Loads a checkpoint as it is. */
export function loadRaw(folder: string): Promise<HookedTransformer> {
  return HookedTransformer.fromPretrainedNoProcessing(fixtureUrl(folder));
}

/** Reads what a fixture says of itself. */
export async function modelFixture({ folder, kind }: FixtureEntry): Promise<ModelFixture> {
  const info = await readJson<FixtureInfo>(folder, "fixture.json");
  // TransformerLens' own checkpoints lie beside their references.
  return { name: folder, model: kind === "model_tl_format" ? folder : `${folder}/model`, info };
}

/** The fixtures of models, those of a kind first. */
export function modelEntries(): readonly FixtureEntry[] {
  const kinds = ["model", "model_tl_format", "hf_truth"];
  return fixtureIndex().filter(({ kind }) => kinds.includes(kind));
}

/** Asserts that two lists hold the same names, whatever their order. */
export function assertSameNames(got: Iterable<string>, want: Iterable<string>): void {
  assertEquals([...got].sort(), [...want].sort());
}

/** Everything that a model shows of an input: activations, logits, the losses, the metric. */
function everything(model: HookedTransformer, tokens: Tensor, { metric }: FixtureInfo): Named {
  const values = shown(model.runWithCache(tokens));
  values.set("loss", model.forward(tokens, { returnType: "loss" }));
  values.set("loss_per_token", model.forward(tokens, { returnType: "loss", lossPerToken: true }));
  values.set("metric", perPrompt(model.forward(tokens), metric).mean());
  return values;
}

/** The total derivatives at `ln1` in the place of the last call's, which `grad/` has there. */
function withTotals(want: Named): Named {
  const totals = new Map(prefixed("grad/", under("grad_sum/", want)));
  const single = [...want].filter(([name]) => !name.startsWith("grad_sum/"));
  return new Map([...single, ...totals]);
}

/** TransformerLens' processing centres `W_U` although an RMS norm comes before, which changes the logits; ours leaves the model as it is. */
function keepsLogits({ name }: ModelFixture): boolean {
  return name === "toy/solu_ln_final_rms";
}

/** A comparison that a fixture has where it has a file. */
interface FileCase {
  readonly file: string;
  readonly of: (fixture: ModelFixture, tokens: Tensor) => readonly ParityCase[];
}

const FILE_CASES: readonly FileCase[] = [
  {
    file: "hf.safetensors",
    of: ({ name, model }, tokens) => [{
      name: `${name}/hf`,
      async run() {
        using raw = await loadRaw(model);
        const got = kept([["logits", raw.forward(tokens)]]);
        return { got, want: await readTensors(name, "hf.safetensors") };
      },
    }],
  },
  {
    file: "raw.safetensors",
    of: ({ name, model, info }, tokens) => [{
      name: `${name}/raw`,
      async run() {
        using raw = await loadRaw(model);
        const want = await readTensors(name, "raw.safetensors");
        want.delete("tokens");
        return { got: everything(raw, tokens, info), want };
      },
    }],
  },
  {
    file: "processed.safetensors",
    of: (fixture, tokens) => [processedCase(fixture, tokens)],
  },
  {
    file: "processed_weights.safetensors",
    of: (fixture) =>
      keepsLogits(fixture) ? [] : [{
        name: `${fixture.name}/processed_weights`,
        async run() {
          using processed = await load(fixture.model);
          const want = await readTensors(fixture.name, "processed_weights.safetensors");
          const got = kept(processed.stateDict());
          assertSameNames(got.keys(), want.keys());
          return { got, want };
        },
      }],
  },
  {
    file: "model/config.transformers5.json",
    of: ({ name, model }, tokens) => [{
      name: `${name} by config.transformers5.json`,
      tolerance: EXACT,
      async run() {
        const config = await readJson(model, "config.transformers5.json");
        const weights = await openFixture(model).read("model.safetensors");
        using respelt = await HookedTransformer.fromPretrained({ config, weights });
        using processed = await load(model);
        return {
          got: shown(respelt.runWithCache(tokens)),
          want: shown(processed.runWithCache(tokens)),
        };
      },
    }],
  },
  { file: "gradients.safetensors", of: gradientCases },
  {
    file: "gradients.raw.safetensors",
    of: ({ name, model, info }, tokens) => [{
      name: `${name}/gradients.raw`,
      async run() {
        using raw = await loadRaw(model);
        return {
          got: gradients(raw, tokens, info),
          want: await readTensors(name, "gradients.raw.safetensors"),
        };
      },
    }],
  },
  { file: "dtype_variants.safetensors", of: dtypeCases },
  {
    file: "model_sharded/model.safetensors.index.json",
    of: ({ name, model }, tokens) => [{
      name: `${name}/model_sharded as model`,
      tolerance: EXACT,
      async run() {
        return {
          got: await weightsAndValues(`${name}/model_sharded`, tokens),
          want: await weightsAndValues(model, tokens),
        };
      },
    }],
  },
];

/** All parameters, and all that a run shows. */
export async function weightsAndValues(folder: string, tokens: Tensor): Promise<Named> {
  using model = await load(folder);
  return new Map([...kept(model.stateDict()), ...shown(model.runWithCache(tokens))]);
}

function processedCase(fixture: ModelFixture, tokens: Tensor): ParityCase {
  const { name, model, info } = fixture;
  return {
    name: `${name}/processed`,
    async run() {
      using processed = await load(model);
      assertSameNames(processed.hookDict.keys(), info.hook_points as string[]);
      const got = everything(processed, tokens, info);
      if (keepsLogits(fixture)) {
        const { logits } = Object.fromEntries(await readTensors(name, "raw.safetensors"));
        return {
          got: new Map([["logits", got.get("logits")!.logSoftmax(-1)]]),
          want: new Map([["logits", logits.logSoftmax(-1)]]),
        };
      }
      const want = await readTensors(name, "processed.safetensors");
      assertSameNames(under("cache/", got).keys(), under("cache/", want).keys());
      return { got, want };
    },
  };
}

function gradientCases({ name, model, info }: ModelFixture, tokens: Tensor): ParityCase[] {
  const reference = () => readTensors(name, "gradients.safetensors");
  return [
    {
      name: `${name}/gradients by bwd hooks`,
      async run() {
        using processed = await load(model);
        return {
          got: gradients(processed, tokens, info),
          want: withTotals(await reference()),
        };
      },
    },
    {
      name: `${name}/gradients by watch`,
      async run() {
        using processed = await load(model);
        const [logits, cache] = processed.runWithCache(tokens, { watch: [() => true] });
        const metric = perPrompt(logits, info.metric).mean();
        metric.backward();
        const got: Named = new Map([["metric", metric]]);
        for (const [name, { grad }] of [...cache].reverse()) {
          if (grad) got.set(`grad/${name}`, grad);
        }
        return { got, want: withTotals(await reference()) };
      },
    },
    {
      name: `${name}/gradients of ln1's query input`,
      async run() {
        using processed = await load(model);
        const got = queryNormGradients(processed, tokens, info);
        const want = [...await reference()].filter(([name]) => /^grad\/.*\.ln1\./.test(name));
        return { got, want: new Map(want) };
      },
    },
  ];
}

function dtypeCases({ name }: ModelFixture, tokens: Tensor): ParityCase[] {
  return ["bf16", "f16"].map((dtype): ParityCase => ({
    name: `${name}/dtype_variants ${dtype}`,
    async run() {
      using processed = await load(`${name}/model_${dtype}`);
      using raw = await loadRaw(`${name}/model_${dtype}`);
      const rawLogits = raw.forward(tokens);
      const [processedLogits, cache] = processed.runWithCache(tokens);
      const got = kept([
        ...prefixed("processed/", cache),
        ["hf_logits", rawLogits],
        ["raw_logits", rawLogits],
        ["processed_logits", processedLogits],
      ]);
      const want = await readTensors(name, "dtype_variants.safetensors");
      return { got, want: under(`${dtype}/`, want) };
    },
  }));
}

/** The comparisons that a fixture's files allow. */
export async function modelCases(entry: FixtureEntry): Promise<ParityCase[]> {
  const fixture = await modelFixture(entry);
  const { files, tokens } = fixture.info;
  return FILE_CASES.filter(({ file }) => Object.hasOwn(files, file))
    .flatMap(({ of }) => of(fixture, tokenTensor(tokens)))
    .map((parity) => ({ tolerance: ruleOf(fixture.info), ...parity }));
}
