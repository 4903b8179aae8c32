/**
 * The configuration of an SAE: SAELens' `cfg.json`, read, brought up to date and checked.
 *
 * @module
 */
import { ConfigError, nearestNames } from "../core/errors.ts";
import { Fields, isJsonObject, type JsonObject, quoteAll } from "./_config_fields.ts";
import { upgradeSaeConfig } from "./_config_upgrade.ts";

/** How activations are scaled before they are encoded, by SAELens' names. */
export type SaeNormalization =
  | "none"
  | "expected_average_only_in"
  | "constant_norm_rescale"
  | "layer_norm";

/** Whether the head axis of `hook_z` is flattened before encoding. */
export type SaeReshape = "none" | "hook_z";

/** The kinds of SAE that can be read, by SAELens' names. */
export type SaeArchitecture = "standard" | "gated" | "jumprelu" | "topk" | "transcoder";

/** What is known of where an SAE comes from and belongs to. */
export interface SaeMetadata {
  /** Hook point whose value is encoded. */
  readonly hookName: string;
  /** Hook point whose value is replaced, where it isn't the one encoded. */
  readonly hookNameOut?: string;
  /** Head that was trained on alone. */
  readonly hookHeadIndex?: number;
  /** The model's name where it was trained. */
  readonly modelName?: string;
  /** Whether prompts began with a BOS in training. */
  readonly prependBos?: boolean;
  /** Most positions seen in training. */
  readonly contextSize?: number;
  /** How the model was loaded for training, in TransformerLens' own words. */
  readonly modelFromPretrainedKwargs?: Readonly<Record<string, unknown>>;
  /** Everything else that the file says, its names in camelCase and its values as they are. */
  readonly [name: string]: unknown;
}

/** The configuration of an SAE, checked. */
export interface SaeConfig {
  /** Kind of SAE. */
  readonly architecture: SaeArchitecture;
  /** Width of the activations that are encoded. */
  readonly dIn: number;
  /** Number of features. */
  readonly dSae: number;
  /** Width of what is decoded; transcoders only, elsewhere it is `dIn`. */
  readonly dOut?: number;
  /** Storage in which the SAE was trained (`"float32"`, `"bfloat16"`, ...). */
  readonly dtype: string;
  /** Whether `b_dec` is subtracted before encoding. */
  readonly applyBDecToInput: boolean;
  /** How activations are scaled before encoding. */
  readonly normalizeActivations: SaeNormalization;
  /** Whether the head axis is flattened before encoding. */
  readonly reshapeActivations: SaeReshape;
  /** Most features alive at a position; topk only. */
  readonly k?: number;
  /** Whether codes are scaled by the norms of the decoder's rows; topk only. */
  readonly rescaleActsByDecoderNorm?: boolean;
  /** Hook point whose value is encoded (the metadata's). */
  readonly hookName: string;
  /** Hook point whose value is replaced, where it isn't the one encoded (the metadata's). */
  readonly hookNameOut?: string;
  /** Where the SAE comes from and belongs to. */
  readonly metadata: SaeMetadata;
}

/** The shapes of an SAE's tensors by name. */
export type SaeShapes = Readonly<Record<string, readonly number[]>>;

/** What sets a kind of SAE apart in its files. */
export interface SaeArchitectureInfo {
  /** Keys of `cfg.json` that only some kinds have, beside the ones that all have. */
  readonly ownKeys: readonly string[];
  /** Whether `b_dec` is subtracted where the file doesn't say. */
  readonly appliesBDec: boolean;
  /** Gives the tensors of the weight file. */
  shapes(cfg: Pick<SaeConfig, "dIn" | "dSae" | "dOut">): SaeShapes;
}

/** Encoder, decoder and their biases, which all kinds but the gated one have. */
const plainShapes = ({ dIn, dSae, dOut = dIn }: Pick<SaeConfig, "dIn" | "dSae" | "dOut">) => ({
  W_enc: [dIn, dSae],
  b_enc: [dSae],
  W_dec: [dSae, dOut],
  b_dec: [dOut],
});

/** The kinds of SAE as SAELens 6.54 writes them; a further kind is a further row. */
export const SAE_ARCHITECTURES: Readonly<Record<SaeArchitecture, SaeArchitectureInfo>> = {
  standard: { ownKeys: [], appliesBDec: true, shapes: plainShapes },
  gated: {
    ownKeys: [],
    appliesBDec: true,
    shapes: ({ dIn, dSae }) => ({
      W_enc: [dIn, dSae],
      W_dec: [dSae, dIn],
      b_dec: [dIn],
      b_gate: [dSae],
      b_mag: [dSae],
      r_mag: [dSae],
    }),
  },
  jumprelu: {
    ownKeys: [],
    appliesBDec: true,
    shapes: (cfg) => ({ ...plainShapes(cfg), threshold: [cfg.dSae] }),
  },
  topk: {
    ownKeys: ["k", "rescale_acts_by_decoder_norm"],
    appliesBDec: true,
    shapes: plainShapes,
  },
  transcoder: { ownKeys: ["d_out"], appliesBDec: false, shapes: plainShapes },
};

const NORMALIZATIONS: readonly SaeNormalization[] = [
  "none",
  "expected_average_only_in",
  "constant_norm_rescale",
  "layer_norm",
];
const RESHAPES: readonly SaeReshape[] = ["none", "hook_z"];
const DTYPES = ["float32", "float16", "bfloat16", "float64"];
const KINDS = Object.keys(SAE_ARCHITECTURES) as SaeArchitecture[];

/** Keys of `cfg.json` that every kind has. */
const COMMON_KEYS = [
  "architecture",
  "d_in",
  "d_sae",
  "dtype",
  "device",
  "apply_b_dec_to_input",
  "normalize_activations",
  "reshape_activations",
  "metadata",
];

/** What {@linkcode createSaeConfig} takes: widths and hook name, and whatever differs from SAELens' defaults. */
export type SaeConfigOptions =
  & Pick<SaeConfig, "dIn" | "dSae" | "hookName">
  & Partial<Omit<SaeConfig, "metadata">>
  & { metadata?: Partial<SaeMetadata> };

/**
 * Reads SAELens' `cfg.json`, of version 6 or before, into a checked configuration.
 *
 * Configurations from before version 6 are upgraded by SAELens 6.54's rules first. A key that version 6 doesn't know is
 * an error, since it may change what the SAE computes.
 *
 * @param json What the file holds, parsed.
 * @param where What to call the file in messages.
 * @returns The configuration.
 * @throws {ConfigError} If something is missing, unknown or contradictory; all of it in one message.
 */
export function readSaeConfig(json: unknown, where: string): SaeConfig {
  const file = JSON.stringify(where);
  const problems: string[] = [];
  if (!isJsonObject(json)) {
    throw configError(file, [`it holds ${JSON.stringify(json)}, wanted an object`]);
  }
  return build(new Fields(upgradeSaeConfig(json, problems), problems, (key) => key), file);
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
  const { metadata, hookName, hookNameOut, ...rest } = options;
  const json = {
    architecture: "standard",
    ...(options.architecture === "transcoder" ? { d_out: options.dIn } : {}),
    ...renameKeys(rest, snakeCase),
    metadata: renameKeys({ ...metadata, hookName, hookNameOut }, snakeCase),
  };
  return build(new Fields(json, [], camelCase), "of a new SAE");
}

/** Reads the fields of a version 6 configuration, collecting everything that is wrong with them. */
function build(fields: Fields, where: string): SaeConfig {
  const { problems } = fields;
  const architecture = fields.oneOf("architecture", KINDS);
  const kind = SAE_ARCHITECTURES[architecture ?? "standard"];
  const metadata = readMetadata(fields.section("metadata"));
  const cfg: SaeConfig = {
    architecture: architecture ?? "standard",
    dIn: fields.count("d_in") ?? 0,
    dSae: fields.count("d_sae") ?? 0,
    ...(architecture === "transcoder" ? { dOut: fields.count("d_out") } : {}),
    dtype: fields.oneOf("dtype", DTYPES, "float32") ?? "",
    applyBDecToInput: fields.optional("apply_b_dec_to_input", "boolean") ?? kind.appliesBDec,
    normalizeActivations: fields.oneOf("normalize_activations", NORMALIZATIONS, "none") ?? "none",
    reshapeActivations: fields.oneOf("reshape_activations", RESHAPES, "none") ?? "none",
    ...(architecture === "topk" ? readTopk(fields) : {}),
    hookName: metadata.hookName,
    ...(metadata.hookNameOut === undefined ? {} : { hookNameOut: metadata.hookNameOut }),
    metadata,
  };
  if (architecture !== undefined) problems.push(...foreignFields(fields, architecture));
  if (problems.length === 0) problems.push(...contradictions(cfg, fields.spell));
  if (problems.length > 0) throw configError(where, problems);
  return cfg;
}

function readTopk(fields: Fields): Pick<SaeConfig, "k" | "rescaleActsByDecoderNorm"> {
  return {
    k: fields.count("k"),
    rescaleActsByDecoderNorm: fields.optional("rescale_acts_by_decoder_norm", "boolean") ?? false,
  };
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
  const known = [...COMMON_KEYS, ...SAE_ARCHITECTURES[architecture].ownKeys];
  return fields.others(known).map((key) => {
    const owners = KINDS.filter((kind) => SAE_ARCHITECTURES[kind].ownKeys.includes(key));
    if (owners.length > 0) {
      return `${fields.spell(key)} is a field of architecture ${quoteAll(owners)}, ` +
        `but architecture is "${architecture}"`;
    }
    const [nearest] = nearestNames(key, known, 1);
    return `${fields.spell(key)} is no field of architecture "${architecture}"; ` +
      `nearest is ${fields.spell(nearest)}`;
  });
}

/** What is wrong with fields that are each fine alone. */
function contradictions(cfg: SaeConfig, spell: (key: string) => string): string[] {
  const { architecture, dIn, dSae, dOut = dIn, k = 1, hookName, hookNameOut } = cfg;
  const problems: string[] = [];
  if (architecture === "transcoder" && cfg.applyBDecToInput) {
    problems.push(
      `${spell("apply_b_dec_to_input")} is true, but a transcoder's b_dec is of its output, ` +
        `wanted false`,
    );
  }
  if (dOut !== dIn && hookNameOut === undefined) {
    problems.push(
      `${spell("hook_name_out")} is missing, but ${spell("d_in")} is ${dIn} and ` +
        `${spell("d_out")} ${dOut}, wanted the hook point of the output`,
    );
  }
  if (k > dSae) {
    problems.push(`k is ${k}, but ${spell("d_sae")} is ${dSae}, wanted at most that many`);
  }
  if (cfg.reshapeActivations === "hook_z" && !hookName.endsWith("_z")) {
    problems.push(
      `${spell("reshape_activations")} is "hook_z", but ${spell("hook_name")} is ` +
        `${JSON.stringify(hookName)}, wanted a name that ends in "_z"`,
    );
  }
  return problems;
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

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
