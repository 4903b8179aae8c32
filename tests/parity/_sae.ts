/** One SAE at a time on the GPT-2 fixture: spliced in with and without its error term, alone, and folded. */

import { assertEquals } from "@std/assert";
import { HookedSAETransformer, SAE, Tensor } from "../../mod.ts";
import {
  fixtureFolders,
  type FixtureInfo,
  fixtureUrl,
  readJson,
  readTensors,
} from "../_fixtures.ts";
import {
  gradientsWithSaes,
  kept,
  type Named,
  type ParityCase,
  perPrompt,
  prefixed,
  shown,
  tokenTensor,
  under,
  withErrorGradients,
} from "./_observe.ts";

interface Loaded {
  readonly model: HookedSAETransformer;
  readonly sae: SAE;
  readonly info: FixtureInfo;
  readonly want: Named;
}

/** The SAE as SAELens splices it: without its skip connection, which only `forward` applies there. */
async function loadAsSpliced(folder: string): Promise<SAE> {
  const sae = await SAE.fromDisk(fixtureUrl(folder));
  const weights = sae.stateDict();
  const skip = weights.get("W_skip");
  if (!skip) return sae;
  weights.set("W_skip", Tensor.zeros(skip.shape));
  const arrays = [...weights].map(([name, tensor]) =>
    [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
  );
  return new SAE(sae.cfg, new Map(arrays));
}

async function load(folder: string): Promise<Loaded> {
  const [model, sae, info, want] = await Promise.all([
    HookedSAETransformer.fromPretrained(fixtureUrl("gpt2/model")),
    loadAsSpliced(folder),
    readJson<FixtureInfo>(folder, "fixture.json"),
    readTensors(folder, "refs.safetensors"),
  ]);
  return { model, sae, info, want };
}

/** Zeroes a gradient [batch, pos, ...] where the SAE leaves the value alone. */
function zeroedAt(tokens: Tensor, ids: readonly number[], grad: Tensor): Tensor {
  const isExcluded = ids.reduce((mask, id) => mask.or(tokens.eq(id)), tokens.lt(0));
  const [batch, pos, ...trailing] = grad.shape;
  return grad.maskedFill(isExcluded.reshape(batch, pos, ...trailing.map(() => 1)), 0);
}

/** Everything that the model shows with the SAE spliced in. */
function splicedValues({ model, sae, info }: Loaded, useErrorTerm: boolean): Named {
  const tokens = tokenTensor(info.tokens);
  const options = { saes: sae, useErrorTerm, excludeSpecialTokens: info.exclude_special_tokens };
  const values = shown(model.runWithCacheWithSaes(tokens, options));
  const logits = values.get("logits")!;
  values.set("logits_last", logits.at(":", -1));
  values.set("loss", model.runWithSaes(tokens, { ...options, returnType: "loss" }));
  values.set("metric", perPrompt(logits, info.metric).mean());
  const own =
    (info.hook_points as Record<string, readonly string[]>)[useErrorTerm ? "err" : "noerr"];
  const silent = [
    ...useErrorTerm ? [] : [".hook_sae_error"],
    ...sae.cfg.architecture === "matching_pursuit" ? [".hook_sae_acts_pre"] : [],
  ];
  const fires = own.filter((name) => !silent.some((point) => name.endsWith(point)));
  assertEquals(
    [...values.keys()].filter((name) => name.includes(".hook_sae_")),
    fires.map((name) => `cache/${name}`),
  );
  return values;
}

function splicedCase(folder: string, useErrorTerm: boolean): ParityCase {
  const part = useErrorTerm ? "err" : "noerr";
  return {
    name: `sae/${folder} ${part}`,
    async run() {
      const loaded = await load(`sae/${folder}`);
      using model = loaded.model;
      const { sae, info, want } = loaded;
      const { exclude_special_tokens = [], metric } = info;
      const tokens = tokenTensor(info.tokens);
      const options = { saes: sae, useErrorTerm, excludeSpecialTokens: exclude_special_tokens };
      const got = new Map([
        ...splicedValues(loaded, useErrorTerm),
        ...gradientsWithSaes(model, tokens, { metric }, options),
      ]);
      const reference = under(`${part}/`, want);
      if (!useErrorTerm) return { got, want: reference };
      const atError = (grad: Tensor) => zeroedAt(tokens, exclude_special_tokens, grad);
      return { got, want: withErrorGradients(reference, atError) };
    },
  };
}

/** What an SAE by itself makes of an input. */
function aloneValues(sae: SAE, input: Tensor): Named {
  const codes = sae.encode(input);
  return new Map([["encode", codes], ["decode(encode)", sae.decode(codes)], [
    "forward",
    sae.forward(input),
  ]]);
}

/** The folds by the names under which their references are. */
const FOLDS: Readonly<Record<string, (sae: SAE) => void>> = {
  "fold_W_dec_norm": (sae) => sae.foldWDecNorm(),
  "fold_activation_norm_scaling_factor(1.7)": (sae) => sae.foldActivationNormScalingFactor(1.7),
};

function aloneCase(folder: string): ParityCase {
  return {
    name: `sae/${folder} alone`,
    async run() {
      using sae = await SAE.fromDisk(fixtureUrl(`sae/${folder}`));
      const want = await readTensors(`sae/${folder}`, "refs.safetensors");
      const input = want.get("standalone/input")!;
      want.delete("standalone/input");
      const got: Named = new Map(prefixed("standalone/", aloneValues(sae, input)));
      for (const [name, fold] of Object.entries(FOLDS)) {
        if (!want.has(`${name}/encode`)) continue;
        using folded = sae.clone();
        fold(folded);
        const weights = kept(prefixed("weights/", folded.stateDict()));
        for (const [part, value] of [...weights, ...aloneValues(folded, input)]) {
          got.set(`${name}/${part}`, value);
        }
      }
      return { got, want: new Map([...want].filter(([name]) => !/^(no)?err\//.test(name))) };
    },
  };
}

/** The cases of each SAE fixture. */
export const SAE_CASES: readonly ParityCase[] = fixtureFolders("sae").flatMap((folder) => [
  splicedCase(folder, false),
  splicedCase(folder, true),
  aloneCase(folder),
]);
