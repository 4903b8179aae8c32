import { type Screen, screen } from "./show.ts";

export type { Screen };

/** Options of {@link progress}. */
export interface ProgressOptions {
  /** How many items there are; from the iterable's own `length` or `size` by default. */
  total?: number;
  /** What is going on, before the bar. */
  label?: string;
  /** Where the bar is drawn; the error stream by default. */
  screen?: Screen;
  /** A clock in milliseconds; `performance.now` by default. */
  now?: () => number;
}

/** Least time between two drawings, in milliseconds. */
const REDRAW_MS = 100;

/**
 * Passes items through and draws how far they have come, as tqdm does. Nothing is drawn where the
 * error stream is no terminal.
 *
 * @param items What the loop runs over.
 * @param options Total and label.
 * @returns The same items, one by one.
 */
export function progress<T>(items: Iterable<T>, options?: ProgressOptions): Generator<T>;
/**
 * Passes items that come asynchronously through and draws how far they have come.
 *
 * @param items What the loop runs over.
 * @param options Total and label.
 * @returns The same items, one by one.
 */
export function progress<T>(items: AsyncIterable<T>, options?: ProgressOptions): AsyncGenerator<T>;
export function progress<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions = {},
): Generator<T> | AsyncGenerator<T> {
  const total = options.total ?? countOf(items);
  return Symbol.asyncIterator in items
    ? passAsync(items, new Bar(total, options))
    : pass(items, new Bar(total, options));
}

function* pass<T>(items: Iterable<T>, bar: Bar): Generator<T> {
  bar.begin();
  try {
    for (const item of items) {
      yield item;
      bar.advance();
    }
  } finally {
    bar.end();
  }
}

async function* passAsync<T>(items: AsyncIterable<T>, bar: Bar): AsyncGenerator<T> {
  bar.begin();
  try {
    for await (const item of items) {
      yield item;
      bar.advance();
    }
  } finally {
    bar.end();
  }
}

function countOf(items: object): number | undefined {
  if ("length" in items && typeof items.length === "number") return items.length;
  if ("size" in items && typeof items.size === "number") return items.size;
  return undefined;
}

/** A bar on one line of a screen. */
class Bar {
  readonly #total: number | undefined;
  readonly #label: string;
  readonly #screen: Screen;
  readonly #now: () => number;
  #count = 0;
  #startMs = 0;
  #drawnMs = 0;

  constructor(total: number | undefined, options: ProgressOptions) {
    this.#total = total;
    this.#label = options.label ?? "";
    this.#screen = options.screen ?? screen("stderr");
    this.#now = options.now ?? (() => performance.now());
  }

  begin(): void {
    this.#startMs = this.#now();
    this.#draw(this.#startMs);
  }

  advance(): void {
    this.#count++;
    const nowMs = this.#now();
    if (nowMs - this.#drawnMs >= REDRAW_MS) this.#draw(nowMs);
  }

  /** Draws the last state and leaves its line, so that what is written next stands below. */
  end(): void {
    this.#draw(this.#now());
    if (this.#screen.isTerminal) this.#screen.write("\n");
  }

  #draw(nowMs: number): void {
    this.#drawnMs = nowMs;
    if (!this.#screen.isTerminal) return;
    const seconds = (nowMs - this.#startMs) / 1000;
    const line = progressLine(this.#count, this.#total, seconds, {
      label: this.#label,
      columns: this.#screen.columns,
    });
    this.#screen.write(`\r${line}\x1b[K`);
  }
}

/** The parts of a bar's last character, from an eighth to seven eighths. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * Writes the line of a progress bar.
 *
 * @param count Items so far.
 * @param total Items in all, where known.
 * @param seconds Time so far.
 * @param look The label and the line's width in characters.
 */
export function progressLine(
  count: number,
  total: number | undefined,
  seconds: number,
  { label, columns }: { label: string; columns: number },
): string {
  const prefix = label === "" ? "" : `${label}: `;
  const rate = seconds > 0 && count > 0 ? count / seconds : undefined;
  if (total === undefined) return `${prefix}${count}it [${clock(seconds)}, ${rateText(rate)}]`;
  const share = total > 0 ? Math.min(1, count / total) : 1;
  const percent = `${Math.floor(100 * share)}%`.padStart(4);
  const remaining = rate === undefined
    ? count >= total ? clock(0) : "?"
    : clock(Math.max(0, total - count) / rate);
  const counts = `${count}/${total} [${clock(seconds)}<${remaining}, ${rateText(rate)}]`;
  // One column stays free: a terminal that wraps at its last one would begin a new line.
  const width = Math.min(40, columns - 1 - prefix.length - percent.length - counts.length - 3);
  if (width < 4) return `${prefix}${percent.trim()} ${counts}`;
  const eighths = Math.floor(share * width * 8);
  const bar = "█".repeat(eighths >> 3) + EIGHTHS[eighths & 7];
  return `${prefix}${percent}|${bar.padEnd(width)}| ${counts}`;
}

/** Items a second, or seconds an item where that reads better. */
function rateText(rate: number | undefined): string {
  if (rate === undefined) return "?it/s";
  return rate >= 1 ? `${rate.toFixed(2)}it/s` : `${(1 / rate).toFixed(2)}s/it`;
}

/** Seconds as minutes and seconds, with hours where there are any. */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return `${hours > 0 ? `${hours}:` : ""}${two(minutes)}:${two(whole % 60)}`;
}
