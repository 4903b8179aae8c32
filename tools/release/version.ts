/** Semantic versions (semver.org), without build metadata. */

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?$/;

/** The kinds of change that a version tells of. */
const CHANGES = ["major", "minor", "patch"] as const;

/** A kind of change. */
export type Change = typeof CHANGES[number];

/** Whether a text is a kind of change. */
export function isChange(text: string): text is Change {
  return CHANGES.some((change) => change === text);
}

function parts(version: string): { numbers: number[]; label: string | undefined } {
  const [, major, minor, patch, label] = VERSION.exec(version) ?? [];
  if (major === undefined) {
    throw new Error(`"${version}" is no version: expected one as in 1.2.3 or 1.2.3-beta.1`);
  }
  return { numbers: [major, minor, patch].map(Number), label };
}

/**
 * Gives the version after a change. Before 1.0.0 the parts mean the same; a label is dropped.
 *
 * @throws {Error} If the version is none.
 */
export function nextVersion(version: string, change: Change): string {
  const place = CHANGES.indexOf(change);
  const { numbers } = parts(version);
  return numbers.map((number, n) => n < place ? number : n === place ? number + 1 : 0).join(".");
}

/**
 * Compares two versions by precedence.
 *
 * @returns A negative number if `a` comes before `b`, a positive one if after, 0 if they are the same.
 * @throws {Error} If one is no version.
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (const [n, number] of left.numbers.entries()) {
    if (number !== right.numbers[n]) return number - right.numbers[n];
  }
  // A version with a label comes before the same without.
  if (left.label === right.label) return 0;
  if (left.label === undefined) return 1;
  if (right.label === undefined) return -1;
  return compareLabels(left.label.split("."), right.label.split("."));
}

function compareLabels(left: readonly string[], right: readonly string[]): number {
  for (const [n, one] of left.entries()) {
    const other = right[n];
    if (other === undefined) return 1;
    if (one === other) continue;
    const [isNumber, isOtherNumber] = [one, other].map((text) => /^\d+$/.test(text));
    if (isNumber && isOtherNumber) return Number(one) - Number(other);
    if (isNumber !== isOtherNumber) return isNumber ? -1 : 1;
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}
