import type { JsonObject } from "./_config_fields.ts";
import { COMMON_KEYS, isJsonObject } from "./_config_fields.ts";
import { SAE_KINDS } from "./kinds/registry.ts";

/** Names of before version 6 and what they became. */
const RENAMED: Readonly<Record<string, string>> = {
  hook_point: "hook_name",
  hook_point_head_index: "hook_head_index",
  activation_fn_str: "activation_fn",
};

/** Fields of before version 6 that say nothing any more, or are turned into others here. */
const DROPPED = [
  "hook_layer",
  "hook_point_layer",
  "activation_fn",
  "activation_fn_kwargs",
  "finetuning_scaling_factor",
];

/** Fields of before version 6 that stay outside the metadata. */
const KEPT = [
  ...COMMON_KEYS,
  ...Object.values(SAE_KINDS).flatMap(({ ownKeys }) => ownKeys),
];

/**
 * Brings a configuration of before SAELens 6 into version 6's form, by the rules of SAELens 6.54; a newer one comes back
 * as it is.
 *
 * @param json What `cfg.json` holds.
 * @param problems Where to note what can't be upgraded.
 * @returns The configuration in version 6's form, not checked yet.
 */
export function upgradeSaeConfig(json: JsonObject, problems: string[]): JsonObject {
  if (isVersion6(json)) return json;
  const old = Object.fromEntries(
    Object.entries(json).map(([key, value]) => [RENAMED[key] ?? key, value]),
  );
  const { metadata, ...flat } = old;
  const entries = Object.entries(flat).filter(([key]) => !DROPPED.includes(key));
  // With its own metadata it is version 6's form without the version: what stands outside stays there.
  const isKept = ([key]: [string, unknown]) => isJsonObject(metadata) || KEPT.includes(key);
  const upgradedMetadata: JsonObject = {
    prepend_bos: true,
    ...Object.fromEntries(entries.filter((entry) => !isKept(entry))),
    ...(isJsonObject(metadata) ? metadata : {}),
  };
  return {
    architecture: "standard",
    ...Object.fromEntries(entries.filter(isKept)),
    ...upgradeActivation(old, problems),
    normalize_activations: upgradeNormalization(old.normalize_activations),
    reshape_activations: old.reshape_activations ?? defaultReshape(upgradedMetadata.hook_name),
    ...(typeof old.dtype === "string" ? { dtype: old.dtype.replace(/^torch\./, "") } : {}),
    metadata: upgradedMetadata,
  };
}

/** Whether the metadata names version 6.0.0-rc.0 or a later one. */
function isVersion6(json: JsonObject): boolean {
  const version = isJsonObject(json.metadata) ? json.metadata.sae_lens_version : undefined;
  return typeof version === "string" && Number.parseInt(version) >= 6;
}

/** The activation function was a field; now topk is an architecture and the others follow from theirs. */
function upgradeActivation(old: JsonObject, problems: string[]): JsonObject {
  const { activation_fn: name = "relu", activation_fn_kwargs: options } = old;
  if (name === "relu" || name === null) return {};
  const architecture = old.architecture ?? "standard";
  if (name !== "topk") {
    problems.push(`activation_fn is ${JSON.stringify(name)}, wanted "relu" or "topk"`);
  } else if (architecture !== "standard" && architecture !== "topk") {
    problems.push(
      `activation_fn is "topk", but architecture is ${JSON.stringify(architecture)}, ` +
        `wanted "standard" or "topk"`,
    );
  }
  return {
    architecture: "topk",
    k: isJsonObject(options) ? options.k : old.k,
  };
}

/** The normalisation was a switch before it had a name. */
function upgradeNormalization(value: unknown): unknown {
  if (value === true) return "expected_average_only_in";
  return value === false ? "none" : value ?? "none";
}

function defaultReshape(hookName: unknown): string {
  return typeof hookName === "string" && hookName.includes("hook_z") ? "hook_z" : "none";
}
