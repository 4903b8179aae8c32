/**
 * SAELens' native files: `cfg.json`, `sae_weights.safetensors` and, where there is one, `sparsity.safetensors`.
 *
 * @module
 */
import { nearestNames, WeightFileError } from "../core/errors.ts";
import { openSafetensors, readFloats, type TensorFile } from "../weights/safetensors.ts";
import type { WeightArray } from "../weights/state_dict.ts";
import { FLOAT_DTYPES } from "../weights/tensor_data.ts";
import type { Source } from "../weights/source.ts";
import type { JsonObject } from "./_config_fields.ts";
import type { SaeConfig } from "./config.ts";
import { readSaeConfig } from "./read_config.ts";
import type { SaeShapes } from "./kinds/kind.ts";
import { SAE_KINDS } from "./kinds/registry.ts";

const CONFIG_FILE = "cfg.json";
const WEIGHTS_FILE = "sae_weights.safetensors";
const SPARSITY_FILE = "sparsity.safetensors";

/** What finetuning left behind in files of before SAELens 6, which no version applies any more. */
const SCALING_FACTOR = "scaling_factor";

/** The one tensor of the file of sparsities. */
const SPARSITY = "sparsity";

/** An SAE as its files have it. */
export interface SaeFiles {
  /** The configuration, upgraded and checked. */
  readonly cfg: SaeConfig;
  /** The tensors by SAELens' names, shaped as `SAE_KINDS` has them, widened to float32. */
  readonly weights: ReadonlyMap<string, WeightArray>;
  /** Base-10 logarithm of how often each feature is alive [dSae]; only where the file is there. */
  readonly sparsity?: Float32Array;
}

/** How {@linkcode readSaeDirectory} reads. */
export interface ReadSaeOptions {
  /** Folder under the source that holds the files; the source's own unless said. */
  folder?: string;
  /** Changes the configuration once it is in version 6's form. */
  change?: (json: JsonObject) => JsonObject;
}

/**
 * Reads an SAE from a folder in SAELens' native layout.
 *
 * Every tensor's name and shape is checked before any is read.
 *
 * @param source Where the files are.
 * @param options The folder within the source.
 * @returns Configuration, weights in float32 and, where it is there, the features' sparsity.
 * @throws {ConfigError} If `cfg.json` can't be used.
 * @throws {WeightFileError} If a file is missing or malformed, or the tensors aren't those of the architecture; all of them
 * in one message.
 */
export async function readSaeDirectory(
  source: Source,
  options: ReadSaeOptions = {},
): Promise<SaeFiles> {
  const path = (file: string) => options.folder ? `${options.folder}/${file}` : file;
  const json = await source.readJson(path(CONFIG_FILE));
  const cfg = readSaeConfig(json, path(CONFIG_FILE), options.change);
  const shapes = SAE_KINDS[cfg.architecture].shapes(cfg);

  const file = await openSafetensors(source, path(WEIGHTS_FILE));
  checkTensors(file, shapes, cfg.architecture);
  const names = Object.keys(shapes);
  const tensors = await Promise.all(names.map((name) => readFloats(file, name)));
  if (file.has(SCALING_FACTOR)) await checkScalingFactor(file);

  const sparsity = await source.has(path(SPARSITY_FILE))
    ? await readSparsity(await openSafetensors(source, path(SPARSITY_FILE)), cfg.dSae)
    : undefined;
  return {
    cfg,
    weights: new Map(names.map((name, i) => [name, tensors[i]])),
    ...(sparsity === undefined ? {} : { sparsity }),
  };
}

/** Compares a file's tensors with the ones wanted, by name, shape and kind of number. */
function checkTensors(file: TensorFile, shapes: SaeShapes, architecture: string): void {
  const wanted = Object.keys(shapes);
  const problems: string[] = [];
  for (const name of wanted) {
    const list = `[${shapes[name].join(", ")}]`;
    if (!file.has(name)) {
      problems.push(`"${name}" is missing, wanted ${list}`);
      continue;
    }
    const { dtype, shape } = file.info(name);
    const isFloat = FLOAT_DTYPES.includes(dtype);
    if (!isFloat || shape.join() !== shapes[name].join()) {
      problems.push(
        `"${name}" is ${isFloat ? "" : `${dtype} `}[${shape.join(", ")}], wanted ` +
          `${isFloat ? "" : "floats "}${list}`,
      );
    }
  }
  for (const name of file.names) {
    if (wanted.includes(name) || name === SCALING_FACTOR) continue;
    problems.push(`"${name}" is unexpected; nearest is "${nearestNames(name, wanted, 1)[0]}"`);
  }
  if (problems.length > 0) {
    throw new WeightFileError(
      `Cannot use "${file.label}" for the architecture "${architecture}":\n  ` +
        problems.join("\n  "),
    );
  }
}

/** Lets a scaling factor pass that changes nothing, as SAELens does. */
async function checkScalingFactor(file: TensorFile): Promise<void> {
  const { data } = await readFloats(file, SCALING_FACTOR);
  const feature = data.findIndex((factor) => factor !== 1);
  if (feature < 0) return;
  throw new WeightFileError(
    `Cannot use "${file.label}": "${SCALING_FACTOR}" is ${data[feature]} for feature ${feature}, ` +
      "wanted 1 for all, since scaled features are of a finetuning that nothing reads any more",
  );
}

async function readSparsity(file: TensorFile, dSae: number): Promise<Float32Array> {
  const { shape } = file.info(SPARSITY);
  if (shape.length !== 1 || shape[0] !== dSae) {
    throw new WeightFileError(
      `Cannot use "${SPARSITY}" in "${file.label}": it is [${shape.join(", ")}], wanted [${dSae}]`,
    );
  }
  return (await readFloats(file, SPARSITY)).data;
}
