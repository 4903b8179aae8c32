/**
 * Reads the configuration of an SAE: SAELens' `cfg.json`, brought up to date and checked.
 *
 * @module
 */
import { ConfigError, nearestNames } from "../core/errors.ts";
import { COMMON_KEYS, Fields, isJsonObject, type JsonObject, quoteAll } from "./_config_fields.ts";
import { upgradeSaeConfig } from "./_config_upgrade.ts";
import type {
  SaeArchitecture,
  SaeConfig,
  SaeConfigOptions,
  SaeMetadata,
  SaeNormalization,
  SaeReshape,
} from "./config.ts";
import { SAE_KINDS } from "./kinds/registry.ts";

const NORMALIZATIONS: readonly SaeNormalization[] = [
  "none",
  "expected_average_only_in",
  "constant_norm_rescale",
  "layer_norm",
  "covariance_whitening",
  "constant_scalar_rescale",
];
const RESHAPES: readonly SaeReshape[] = ["none", "hook_z"];
const DTYPES = ["float32", "float16", "bfloat16", "float64"];
const KINDS = Object.keys(SAE_KINDS) as SaeArchitecture[];

/** The kinds that train under a name of their own and are saved under another. */
const SAVED_AS_JUMPRELU = ["batchtopk", "matryoshka_batchtopk"];

/** More attention layers than any temporal SAE has: a broken file may ask for millions. */
const MAX_ATTN_LAYERS = 64;

/**
 * Reads SAELens' `cfg.json`, of version 6 or before, into a checked configuration.
 *
 * Configurations from before version 6 are upgraded by SAELens 6.54's rules first. A key that version 6 doesn't know is
 * an error, since it may change what the SAE computes.
 *
 * @param json What the file holds, parsed.
 * @param where What to call the file in messages.
 * @param change Changes it once it is in version 6's form.
 * @returns The configuration.
 * @throws {ConfigError} If something is missing, unknown or contradictory; all of it in one message.
 */
export function readSaeConfig(
  json: unknown,
  where: string,
  change: (json: JsonObject) => JsonObject = (json) => json,
): SaeConfig {
  const file = JSON.stringify(where);
  const problems: string[] = [];
  if (!isJsonObject(json)) {
    throw configError(file, [`it holds ${JSON.stringify(json)}, wanted an object`]);
  }
  const current = change(upgradeSaeConfig(json, problems));
  return build(new Fields(current, problems, (key) => key), file);
}

/**
 * Makes a checked configuration for an SAE that comes from no file.
 *
 * @param options Widths and hook name, and whatever differs from the defaults: a standard SAE in float32 that subtracts
 * `b_dec` (a transcoder doesn't, and decodes to `dIn`), without normalisation or reshaping.
 * @returns The configuration.
 * @throws {ConfigError} If something is missing, unknown or contradictory; all of it in one message.
 */
export function createSaeConfig(options: SaeConfigOptions): SaeConfig {
  const snake = Object.keys(options).filter((key) => key !== camelCase(key));
  if (snake.length > 0) {
    const renamed = snake.map((key) => `"${key}" is "${camelCase(key)}"`);
    throw new ConfigError(
      `Cannot use the SAE config of a new SAE: names are camelCase here, ${renamed.join(", ")}`,
    );
  }
  const { metadata, hookName, hookNameOut, ...rest } = options;
  const json = {
    architecture: "standard",
    ...(isTranscoder(options.architecture) ? { d_out: options.dIn } : {}),
    ...snakeKeys(rest),
    metadata: snakeKeys({ ...metadata, hookName, hookNameOut }),
  };
  return build(new Fields(json, [], camelCase), "of a new SAE");
}

function isTranscoder(architecture: SaeArchitecture | undefined): boolean {
  return architecture !== undefined && Object.hasOwn(SAE_KINDS, architecture) &&
    SAE_KINDS[architecture].isTranscoder;
}

/** Reads the kind, and says of those that are for training alone how they are saved. */
function readArchitecture(fields: Fields): SaeArchitecture | undefined {
  const name = fields.json.architecture;
  if (typeof name !== "string" || !SAVED_AS_JUMPRELU.includes(name)) {
    return fields.oneOf("architecture", KINDS);
  }
  fields.problems.push(
    `architecture is "${name}", which is for training alone: such SAEs are saved as "jumprelu" with one threshold ` +
      "for all features",
  );
}

/** Reads the fields of a version 6 configuration, collecting everything that is wrong with them. */
function build(fields: Fields, where: string): SaeConfig {
  const { problems } = fields;
  const architecture = readArchitecture(fields);
  const kind = SAE_KINDS[architecture ?? "standard"];
  const metadata = readMetadata(fields.section("metadata"));
  const cfg: SaeConfig = {
    architecture: architecture ?? "standard",
    dIn: fields.count("d_in") ?? 0,
    dSae: fields.count("d_sae") ?? 0,
    dtype: fields.oneOf("dtype", DTYPES, "float32") ?? "",
    applyBDecToInput: fields.optional("apply_b_dec_to_input", "boolean") ?? kind.appliesBDec,
    normalizeActivations: fields.oneOf("normalize_activations", NORMALIZATIONS, "none") ?? "none",
    reshapeActivations: fields.oneOf("reshape_activations", RESHAPES, "none") ?? "none",
    ...kind.readOwn?.(fields),
    hookName: metadata.hookName,
    ...(metadata.hookNameOut === undefined ? {} : { hookNameOut: metadata.hookNameOut }),
    metadata,
  };
  if (architecture !== undefined) problems.push(...foreignFields(fields, architecture));
  if (problems.length === 0) problems.push(...contradictions(cfg, fields.spell));
  if (problems.length > 0) throw configError(where, problems);
  return cfg;
}

function readMetadata(fields: Fields): SaeMetadata {
  const known = {
    hookName: fields.text("hook_name") ?? "",
    hookNameOut: fields.optional("hook_name_out", "string"),
    hookHeadIndex: fields.optional("hook_head_index", "number"),
    modelName: fields.optional("model_name", "string"),
    prependBos: fields.optional("prepend_bos", "boolean"),
    contextSize: fields.optional("context_size", "number"),
    modelFromPretrainedKwargs: fields.optional("model_from_pretrained_kwargs", "object"),
  };
  const all = { ...renameKeys(fields.json, camelCase), ...known };
  const isGiven = ([, value]: [string, unknown]) => value !== undefined && value !== null;
  return {
    hookName: known.hookName,
    ...Object.fromEntries(Object.entries(all).filter(isGiven)),
  };
}

/** Fields that this architecture doesn't have: another one's, or nobody's. */
function foreignFields(fields: Fields, architecture: SaeArchitecture): string[] {
  const known = [...COMMON_KEYS, "metadata", ...SAE_KINDS[architecture].ownKeys];
  return fields.others(known).map((key) => {
    const owners = KINDS.filter((kind) => SAE_KINDS[kind].ownKeys.includes(key));
    if (owners.length > 0) {
      return `${fields.spell(key)} is a field of architecture ${quoteAll(owners)}, ` +
        `but architecture is "${architecture}"`;
    }
    const [nearest] = nearestNames(key, known, 1);
    return `${fields.spell(key)} is no field of architecture "${architecture}"; ` +
      `nearest is ${fields.spell(nearest)}`;
  });
}

/** A rule that a configuration may break: what is wrong, `undefined` when nothing is. */
type Rule = (cfg: SaeConfig, spell: (key: string) => string) => string | undefined;

const RULES: readonly Rule[] = [
  ({ architecture, applyBDecToInput }, spell) =>
    isTranscoder(architecture) && applyBDecToInput
      ? `${spell("apply_b_dec_to_input")} is true, but a transcoder's b_dec is of its output, ` +
        "wanted false"
      : undefined,
  ({ dIn, dOut = dIn, hookNameOut }, spell) =>
    dOut !== dIn && hookNameOut === undefined
      ? `${spell("hook_name_out")} is missing, but ${spell("d_in")} is ${dIn} and ` +
        `${spell("d_out")} ${dOut}, wanted the hook point of the output`
      : undefined,
  ({ dSae, k = 1 }, spell) =>
    k > dSae ? `k is ${k}, but ${spell("d_sae")} is ${dSae}, wanted at most that many` : undefined,
  ({ reshapeActivations, hookName }, spell) =>
    reshapeActivations === "hook_z" && !hookName.endsWith("_z")
      ? `${spell("reshape_activations")} is "hook_z", but ${spell("hook_name")} is ` +
        `${JSON.stringify(hookName)}, wanted a name that ends in "_z"`
      : undefined,
  ({ architecture, normalizeActivations }, spell) =>
    normalizeActivations === "constant_scalar_rescale" && architecture !== "temporal"
      ? `${
        spell("normalize_activations")
      } is "constant_scalar_rescale", which only temporal SAEs have`
      : undefined,
  ({ architecture, normalizeActivations }, spell) =>
    normalizeActivations === "covariance_whitening" && architecture === "temporal"
      ? `${
        spell("normalize_activations")
      } is "covariance_whitening", which temporal SAEs don't have`
      : undefined,
  ({ residualThreshold = 0 }, spell) =>
    residualThreshold < 0
      ? `${spell("residual_threshold")} is ${residualThreshold}, wanted 0 or more`
      : undefined,
  ({ nAttnLayers = 1 }, spell) =>
    nAttnLayers > MAX_ATTN_LAYERS
      ? `${spell("n_attn_layers")} is ${nAttnLayers}, wanted at most ${MAX_ATTN_LAYERS}`
      : undefined,
  ({ dSae, bottleneckFactor = 1, nHeads = 1 }, spell) =>
    dSae % (bottleneckFactor * nHeads) !== 0
      ? `${spell("d_sae")} is ${dSae}, wanted a multiple of ${spell("bottleneck_factor")} × ` +
        `${spell("n_heads")}, ${bottleneckFactor} × ${nHeads}`
      : undefined,
  ({ dSae, kvalTopk = 1 }, spell) =>
    kvalTopk > dSae
      ? `${spell("kval_topk")} is ${kvalTopk}, but ${
        spell("d_sae")
      } is ${dSae}, wanted at most that many`
      : undefined,
  ({ activationNormalizationFactor = 1 }, spell) =>
    activationNormalizationFactor === 0
      ? `${spell("activation_normalization_factor")} is 0, wanted a number to divide by`
      : undefined,
];

/** What is wrong with fields that are each fine alone. */
function contradictions(cfg: SaeConfig, spell: (key: string) => string): string[] {
  return RULES.map((rule) => rule(cfg, spell)).filter((problem) => problem !== undefined);
}

function configError(where: string, problems: readonly string[]): ConfigError {
  const list = problems.length === 1 ? ` ${problems[0]}` : `\n  ${problems.join("\n  ")}`;
  return new ConfigError(`Cannot use the SAE config ${where}:${list}`);
}

/** Renames an object's keys, leaving out what is undefined. */
function renameKeys(record: JsonObject, rename: (key: string) => string): JsonObject {
  return Object.fromEntries(
    Object.entries(record)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [rename(key), value]),
  );
}

/** An object's keys as files spell them: `dSae` as `d_sae`. */
export function snakeKeys(record: JsonObject): JsonObject {
  return renameKeys(record, snakeCase);
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
