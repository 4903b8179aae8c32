/** What `?name` says about a hook point, a command or a value. */
import { findCommand } from "./commands/registry.ts";
import type { Context, Result } from "./command.ts";
import { partOf } from "./cells_of.ts";
import { CommandError } from "./errors.ts";
import { pointNames } from "./edit_command.ts";
import { documentationOf } from "./point_docs.ts";
import { requirePoint, shortPoint } from "./points.ts";
import { shapeText, tensorText } from "./render/tensor.ts";
import { valuesOf } from "./values.ts";

/** Where the sources are. */
const SOURCES = new URL("..", import.meta.url).href;

/** Says what a name means: the shape, the formula and the source of a point, or what a command does. */
export async function about(name: string, context: Context): Promise<Result> {
  const { style, state: { session } } = context;
  if (findCommand(name)) return await context.execute(`help ${name}`);
  let point: string;
  try {
    point = requirePoint(name, pointNames(context));
  } catch (cause) {
    if (!/^[\w$.]+$/.test(name) || name.includes("hook_") || /^\d/.test(name)) throw cause;
    return { ...await context.execute(name), json: { name } };
  }
  const { axes, what, formula, file } = documentationOf(point);
  const value = valuesOf(session, [point]).get(point);
  if (!value) throw new CommandError(`The run doesn't pass ${point}.`);
  const part = partOf(value, point, {}, context);
  return {
    text: [
      `${style.bold(shortPoint(point))}  ${style.dim(point)}`,
      `  ${what}`,
      `  ${style.cyan(shapeText(value.shape, axes))}`,
      ...formula === "" ? [] : [`  ${formula}`],
      `  ${style.dim(`${SOURCES}${file}`)}`,
      tensorText(part.value, style, { axes: axes.slice(1), rows: part.rows }),
    ].join("\n"),
    json: { point, short: shortPoint(point), axes, shape: value.shape, what, formula, file },
  };
}
