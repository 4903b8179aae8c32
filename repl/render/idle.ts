/** Edits that a run never comes to. */
import type { IdleEdit } from "../../mod.ts";
import { shortPoint } from "../points.ts";
import type { Style } from "../style.ts";

/** A line for each. */
export function idleLines(idle: readonly IdleEdit[], style: Style): string[] {
  return idle.map(({ at, edit, reason }) =>
    style.yellow(`  won't fire: ${shortPoint(at)} ${edit}: ${reason}`)
  );
}
