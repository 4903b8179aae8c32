/** All commands, in the order in which `help` shows them. */
import type { Command } from "../command.ts";
import type { EditCommand } from "../edit_command.ts";
import { ablate } from "./ablate.ts";
import { attr } from "./attr.ts";
import { clamp } from "./clamp.ts";
import { cut } from "./cut.ts";
import { diff } from "./diff.ts";
import { explainCommand } from "./explain.ts";
import { exportScript } from "./export.ts";
import { features } from "./features.ts";
import { fork } from "./fork.ts";
import { freeze } from "./freeze.ts";
import { gen } from "./gen.ts";
import { grad } from "./grad.ts";
import { helpCommand } from "./help.ts";
import { list } from "./list.ts";
import { load } from "./load.ts";
import { mean } from "./mean.ts";
import { metric } from "./metric.ts";
import { off } from "./off.ts";
import { on } from "./on.ts";
import { patch } from "./patch.ts";
import { path } from "./path.ts";
import { plot } from "./plot.ts";
import { points } from "./points.ts";
import { prompt } from "./prompt.ts";
import { quit } from "./quit.ts";
import { redo } from "./redo.ts";
import { rm } from "./rm.ts";
import { run } from "./run.ts";
import { saes } from "./saes.ts";
import { save } from "./save.ts";
import { scale } from "./scale.ts";
import { set } from "./set.ts";
import { show } from "./show.ts";
import { stack } from "./stack.ts";
import { steer } from "./steer.ts";
import { sweep } from "./sweep.ts";
import { switchSession } from "./switch.ts";
import { top } from "./top.ts";
import { tour } from "./tour.ts";
import { undo } from "./undo.ts";

/** Commands that add an edit. */
const EDIT_COMMANDS: readonly EditCommand[] = [
  ablate,
  mean,
  scale,
  set,
  clamp,
  steer,
  patch,
  freeze,
  path,
  cut,
];

/** Every command. */
export const COMMANDS: readonly Command[] = [
  top,
  run,
  diff,
  features,
  show,
  attr,
  grad,
  sweep,
  gen,
  explainCommand(() => EDIT_COMMANDS),
  plot,
  points,
  ...EDIT_COMMANDS,
  prompt,
  metric,
  saes,
  list,
  undo,
  redo,
  off,
  on,
  rm,
  fork,
  switchSession,
  save,
  load,
  exportScript,
  helpCommand(() => COMMANDS),
  tour,
  stack,
  quit,
];

/** Finds a command by its name. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name) ??
    (name === "exit" ? quit : undefined);
}
