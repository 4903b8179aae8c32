import { assertEquals, assertThrows } from "@std/assert";
import { notesOf, releasedChangelog } from "../../tools/release/changelog.ts";
import { compareVersions, nextVersion } from "../../tools/release/version.ts";

Deno.test("nextVersion() raises one part, and drops what is below it", () => {
  assertEquals(nextVersion("1.2.3", "patch"), "1.2.4");
  assertEquals(nextVersion("1.2.3-beta.1", "minor"), "1.3.0");
  assertEquals(nextVersion("0.9.9", "major"), "1.0.0");
  assertThrows(() => nextVersion("1.2", "patch"), Error, '"1.2" is no version');
  assertThrows(() => nextVersion("01.2.3", "patch"), Error, "is no version");
});

Deno.test("compareVersions() orders as semver.org does", () => {
  const ordered = [
    "0.9.10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.10.0",
    "2.0.0",
  ];
  for (const [n, version] of ordered.entries()) {
    assertEquals(compareVersions(version, version), 0);
    for (const later of ordered.slice(n + 1)) {
      assertEquals(Math.sign(compareVersions(version, later)), -1, `${version} < ${later}`);
      assertEquals(Math.sign(compareVersions(later, version)), 1, `${later} > ${version}`);
    }
  }
});

const CHANGELOG = `# Changelog

## 0.2.0 (unreleased)

- New.

## 0.1.0 (2026-01-31)

- Old.
`;

Deno.test("releasedChangelog() dates the first section, which must be the version's", () => {
  const released = releasedChangelog(CHANGELOG, "0.2.0", "2026-02-01");
  assertEquals(released, CHANGELOG.replace("(unreleased)", "(2026-02-01)"));
  assertThrows(
    () => releasedChangelog(CHANGELOG, "0.3.0", "2026-02-01"),
    Error,
    'first section is "## 0.2.0 (unreleased)", expected "## 0.3.0 (unreleased)"',
  );
  assertThrows(() => releasedChangelog(released, "0.2.0", "2026-02-01"), Error, "first section");
  const empty = CHANGELOG.replace("- New.", "");
  assertThrows(() => releasedChangelog(empty, "0.2.0", "2026-02-01"), Error, "nothing under");
});

Deno.test("notesOf() gives one version's section", () => {
  assertEquals(notesOf(CHANGELOG, "0.2.0"), "- New.");
  assertEquals(notesOf(CHANGELOG, "0.1.0"), "- Old.");
  assertEquals(notesOf(CHANGELOG, "9.9.9"), "");
});

Deno.test("the project's changelog begins with the version of deno.json", async () => {
  const read = (name: string) => Deno.readTextFile(new URL(`../../${name}`, import.meta.url));
  const { version } = JSON.parse(await read("deno.json"));
  assertEquals(notesOf(await read("CHANGELOG.md"), version) === "", false);
});
