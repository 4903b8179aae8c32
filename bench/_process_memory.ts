/** What a process holds in memory, in MiB. */
export interface ProcessMemory {
  /** All that is resident, the program's own file included. */
  readonly resident: number;
  /** What the process allocated: neither files nor what is shared. */
  readonly own: number;
}

/**
 * Reads what a process holds in memory, as Linux counts it.
 *
 * @throws {Deno.errors.NotFound} If there is no such process, or the system has no `/proc`.
 */
export function processMemory(pid: number): ProcessMemory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? 0) / 1024;
  return { resident: field("VmRSS"), own: field("RssAnon") };
}
