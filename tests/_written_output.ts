/** Compares what a page says that a program writes with what it writes today. */
import { assertAlmostEquals, assertEquals } from "@std/assert";

const NUMBER = /\d+(?:\.\d+)?(?:e-?\d+)?/g;

/** A text's words, with every number left out but those of commands: times differ, and last digits from machine to machine. */
export function wordsOf(text: string): string {
  return text.split("\n")
    .map((line) => (line.startsWith("splicer> ") ? line : line.replace(NUMBER, "#")))
    .join("\n");
}

/** A text's numbers in order, milliseconds left out. */
export function numbersOf(text: string): number[] {
  const timeless = text.replace(/\d+(?:\.\d+)? ms/g, "");
  return Array.from(timeless.matchAll(NUMBER), ([number]) => Number(number));
}

/**
 * Asserts that numbers are those written, as far as engines agree.
 *
 * @param written What the page says.
 * @param today What the program writes; it may be shorter.
 */
export function assertSameNumbers(written: string, today: string): void {
  const numbers = numbersOf(written);
  for (const [i, number] of numbersOf(today).entries()) {
    // Engines round a relaxed multiply-add differently: the last digit shown may be another.
    assertAlmostEquals(number, numbers[i], 0.02 + 0.002 * Math.abs(numbers[i]));
  }
}

/** Asserts that a text is what was written, word for word, and number for number as far as engines agree. */
export function assertSameOutput(written: string, today: string): void {
  assertEquals(wordsOf(written), wordsOf(today));
  assertSameNumbers(written, today);
}
