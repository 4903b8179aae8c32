/** The sections of `CHANGELOG.md`, one for each version, newest first. */

const HEADING = /^## (\S+) \((unreleased|\d{4}-\d{2}-\d{2})\)$/gm;

/** A version's section. */
interface Section {
  readonly version: string;
  readonly date: string;
  readonly text: string;
}

function sectionsOf(changelog: string): Section[] {
  const headings = [...changelog.matchAll(HEADING)];
  return headings.map(({ 0: heading, 1: version, 2: date, index }, n) => ({
    version,
    date,
    text: changelog.slice(index + heading.length, headings[n + 1]?.index).trim(),
  }));
}

/**
 * Gives a changelog in which a version is released.
 *
 * @param changelog Its text.
 * @param version The version, whose section must be the first and unreleased.
 * @param date The day as in `2026-01-31`.
 * @throws {Error} If there is no such section, or nothing in it.
 */
export function releasedChangelog(changelog: string, version: string, date: string): string {
  const [first] = sectionsOf(changelog);
  const heading = `## ${version} (unreleased)`;
  if (first?.version !== version || first.date !== "unreleased") {
    const found = first ? `"## ${first.version} (${first.date})"` : "none";
    throw new Error(`CHANGELOG.md's first section is ${found}, expected "${heading}"`);
  }
  if (first.text === "") throw new Error(`CHANGELOG.md has nothing under "${heading}"`);
  return changelog.replace(heading, `## ${version} (${date})`);
}

/** Gives what changed in a version: what a release's page says. */
export function notesOf(changelog: string, version: string): string {
  return sectionsOf(changelog).find((section) => section.version === version)?.text ?? "";
}
