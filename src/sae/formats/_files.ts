/** Reads publishers' configurations with their types. */

import { ConfigError } from "../../core/errors.ts";
import { reading } from "../../weights/format_error.ts";
import type { Source } from "../../weights/source.ts";
import { parseYaml } from "../../weights/yaml.ts";
import { Fields, isJsonObject } from "../_config_fields.ts";

/** Reads a YAML file. */
export async function readYaml(source: Source, file: string): Promise<unknown> {
  const text = await source.readText(file);
  return await reading(file, () => Promise.resolve(parseYaml(text)));
}

/**
 * Takes from a configuration what is wanted of it.
 *
 * @param file What messages call it.
 * @param take Reads its fields; what is wrong with them is noted.
 * @throws {ConfigError} If something is missing or of another type; all of it in one message.
 */
function takeFields<R>(json: unknown, file: string, take: (fields: Fields) => R): R {
  const problems: string[] = [];
  const isThere = isJsonObject(json);
  if (!isThere) problems.push("it holds no object");
  const taken = take(new Fields(isThere ? json : {}, isThere ? problems : [], (key) => key));
  if (problems.length === 0) return taken;
  throw new ConfigError(`Cannot use the SAE config "${file}": ${problems.join("; ")}`);
}

/** Reads a JSON file and takes from it what is wanted. */
export async function readFields<R>(
  source: Source,
  file: string,
  take: (fields: Fields) => R,
): Promise<R> {
  return takeFields(await source.readJson(file), file, take);
}

/** Reads a YAML file and takes from it what is wanted. */
export async function readYamlFields<R>(
  source: Source,
  file: string,
  take: (fields: Fields) => R,
): Promise<R> {
  return takeFields(await readYaml(source, file), file, take);
}
