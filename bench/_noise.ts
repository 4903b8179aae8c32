/** How much other programs took of the machine while something was measured. Known on Linux alone. */

/** Clock ticks a second in /proc, the same on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Another system, or a process that has ended: nothing is known of it.
    return undefined;
  }
}

/** Ticks that all processes have had: user, nice, system, interrupts, and what the host took away. */
function busyTicks(): number | undefined {
  const [, user, nice, system, , , irq, softIrq, stolen] = read("/proc/stat")?.split("\n")[0]
    .split(/\s+/).map(Number) ?? [];
  return user === undefined ? undefined : user + nice + system + irq + softIrq + stolen;
}

/** Ticks of one process and its threads, and of its children that have ended. */
function ticksOf(pid: number): number {
  // The name in brackets may have spaces; user and system time are the 12th to 15th field after it.
  const fields = read(`/proc/${pid}/stat`)?.split(") ").at(-1)?.split(" ").map(Number) ?? [];
  return fields.slice(11, 15).reduce((sum, n) => sum + n, 0);
}

/** Milliseconds that a process, its threads and its ended children computed so far. */
export function processCpuMs(pid: number): number {
  return 1000 * ticksOf(pid) / TICKS_PER_SECOND;
}

/** Watches the machine from now on. */
export class Noise {
  readonly #pids: readonly number[];
  readonly #started = performance.now();
  readonly #busy = busyTicks();
  readonly #own: number;

  /** @param pids processes that belong to the measurement, beside this one */
  constructor(pids: readonly number[] = []) {
    this.#pids = [Deno.pid, ...pids];
    this.#own = this.#ownTicks();
  }

  /** Cores that others have kept busy since, on average; 0 where that isn't known. */
  others(): number {
    const busy = busyTicks();
    if (busy === undefined || this.#busy === undefined) return 0;
    const seconds = (performance.now() - this.#started) / 1000;
    const ticks = busy - this.#busy - (this.#ownTicks() - this.#own);
    return Math.max(0, ticks / TICKS_PER_SECOND / seconds);
  }

  #ownTicks(): number {
    return this.#pids.reduce((sum, pid) => sum + ticksOf(pid), 0);
  }
}
