/** What a new session couldn't take over. */
import { shortPoint } from "../points.ts";
import type { Dropped } from "../state.ts";
import type { Style } from "../style.ts";

/** A line for each. */
export function droppedLines({ edits, metric }: Dropped, style: Style): string[] {
  const lines = edits.map(({ edit: { id, at }, reason }) => {
    const where = typeof at === "string" ? `${shortPoint(at)} ` : "";
    return style.red(`  [${id}] ${where}is dropped: ${reason}`);
  });
  return metric === undefined ? lines : [...lines, style.red(`  the metric is dropped: ${metric}`)];
}

/** The same for programs. */
export function droppedJson({ edits, metric }: Dropped): Record<string, unknown> {
  return {
    dropped: edits.map(({ edit, reason }) => ({ id: edit.id, reason })),
    ...(metric !== undefined && { droppedMetric: metric }),
  };
}
