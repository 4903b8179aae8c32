/** What the demo studies: prompts with their answers, and where in the model to look. */
import { ConfigError, type HookedTransformer, nearestNames } from "../mod.ts";

/** A set of prompts of equal length in tokens, as a file of `--prompts` has it. */
export interface Task {
  /** Texts that end before the answer. */
  prompts: string[];
  /** For each prompt the correct and the incorrect answer, each of them one token. */
  answers: [correct: string, incorrect: string][];
  /** Position of the second mention of the subject, counted in tokens with the BOS token as 0. */
  s2Pos: number;
  /** Layer whose SAE is looked at there. */
  s2Layer: number;
  /** The heads, as [layer, head], that move what is known at S2 to the last position. */
  sInhibitionHeads: [layer: number, head: number][];
}

const isIndex = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;
const isPairOf = (value: unknown, isPart: (part: unknown) => boolean) =>
  Array.isArray(value) && value.length === 2 && value.every(isPart);
const isText = (value: unknown) => typeof value === "string" && value !== "";
const isFilledList = (value: unknown, isPart: (part: unknown) => boolean) =>
  Array.isArray(value) && value.length > 0 && value.every(isPart);

/** What each field must be, as a check and in words. */
const FIELDS: Record<keyof Task, { fits: (value: unknown) => boolean; wanted: string }> = {
  prompts: { fits: (value) => isFilledList(value, isText), wanted: "a list of texts" },
  answers: {
    fits: (value) => isFilledList(value, (pair) => isPairOf(pair, isText)),
    wanted: "a list of [correct, incorrect] texts",
  },
  s2Pos: { fits: isIndex, wanted: "a position from 0" },
  s2Layer: { fits: isIndex, wanted: "a layer from 0" },
  sInhibitionHeads: {
    fits: (value) => isFilledList(value, (pair) => isPairOf(pair, isIndex)),
    wanted: "a list of [layer, head] numbers from 0",
  },
};

/**
 * Reads a task from the text of a file.
 *
 * @param text The file's text.
 * @param label The file, for messages.
 * @throws {ConfigError} If it isn't JSON, or not a task.
 */
export function parseTask(text: string, label: string): Task {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`Cannot use "${label}": it isn't JSON, wanted an object of prompts.`, {
      cause,
    });
  }
  return readTask(json, label);
}

/**
 * Reads a task from parsed JSON.
 *
 * @param json What the file holds.
 * @param label The file, for messages.
 * @throws {ConfigError} If a field is missing, unknown or of another form; all of them in one message.
 */
export function readTask(json: unknown, label: string): Task {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new ConfigError(`Cannot use "${label}": it isn't a JSON object, wanted one of prompts.`);
  }
  const given = new Map(Object.entries(json));
  const names = Object.keys(FIELDS);
  const wrong = Object.entries(FIELDS).filter(([name, { fits }]) => !fits(given.get(name)))
    .map(([name, { wanted }]) =>
      `"${name}" is ${JSON.stringify(given.get(name)) ?? "missing"}, wanted ${wanted}`
    );
  for (const name of given.keys()) {
    if (names.includes(name)) continue;
    wrong.push(`"${name}" is unknown; nearest is "${nearestNames(name, names, 1)[0]}"`);
  }
  const task = json as Task;
  if (wrong.length === 0 && task.prompts.length !== task.answers.length) {
    wrong.push(`there are ${task.prompts.length} prompts with ${task.answers.length} answers`);
  }
  if (wrong.length > 0) throw new ConfigError(`Cannot use "${label}":\n  ${wrong.join("\n  ")}`);
  return task;
}

/**
 * Checks a task against the model that is to do it.
 *
 * @param task Prompts and places.
 * @param model The model.
 * @throws {ConfigError} If prompts differ in length, or a place lies outside the model.
 */
export function checkTask(task: Task, model: HookedTransformer): void {
  const { nLayers, nHeads } = model.cfg;
  const wrong: string[] = [];
  const lengths = task.prompts.map((prompt) =>
    model.toTokens(prompt, { prependBos: true }).shape[1]
  );
  const [length] = lengths;
  const other = lengths.findIndex((n) => n !== length);
  if (other > 0) {
    wrong.push(
      `prompt ${other} has ${lengths[other]} tokens, prompt 0 has ${length}, wanted equally many`,
    );
  }
  if (task.s2Pos >= length) {
    wrong.push(`"s2Pos" is ${task.s2Pos}, the prompts have ${length} tokens`);
  }
  if (task.s2Layer >= nLayers) {
    wrong.push(`"s2Layer" is ${task.s2Layer}, the model has ${nLayers} layers`);
  }
  for (const [layer, head] of task.sInhibitionHeads) {
    if (layer < nLayers && head < nHeads) continue;
    wrong.push(`there is no head [${layer}, ${head}] in ${nLayers} layers of ${nHeads} heads`);
  }
  if (wrong.length > 0) {
    throw new ConfigError(
      `Cannot study these prompts in ${model.cfg.modelName}:\n  ${wrong.join("\n  ")}`,
    );
  }
}
