/**
 * Releases a version: checks everything, dates the changelog, commits, tags, and makes the packages.
 *
 *   deno task release <version|major|minor|patch> [--publish] [--dry-run]
 *
 * Without `--publish` nothing leaves the machine; the commands that publish are printed. `--dry-run` only says what is missing.
 */
import { parseArgs } from "node:util";
import { notesOf, releasedChangelog } from "./release/changelog.ts";
import { compareVersions, isChange, nextVersion } from "./release/version.ts";

/** Runs a command in the project's folder and gives what it printed. */
async function capture(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout).trim();
}

/** Runs a command whose output is for people. */
async function run(command: string, ...args: string[]): Promise<void> {
  console.log(`$ ${command} ${args.join(" ").split("\n")[0]}`);
  const { success } = await new Deno.Command(command, { args }).spawn().status;
  if (!success) throw new Error(`${command} ${args.join(" ")} failed, see above`);
}

/** The newest version that has a tag, if one has. */
async function lastReleased(): Promise<string | undefined> {
  const tags = (await capture("git", "tag", "--list", "v*")).split("\n").filter(Boolean);
  return tags.map((tag) => tag.slice(1)).toSorted(compareVersions).at(-1);
}

/** What a release is about to change. */
interface Release {
  readonly version: string;
  readonly config: string;
  readonly changelog: string;
}

async function prepare(wanted: string): Promise<Release> {
  const text = await Deno.readTextFile("deno.json");
  const current: string = JSON.parse(text).version;
  const version = isChange(wanted) ? nextVersion(current, wanted) : wanted;
  const last = await lastReleased();
  if (last !== undefined && compareVersions(version, last) <= 0) {
    throw new Error(`${version} doesn't come after ${last}, which is released`);
  }
  const dirty = await capture("git", "status", "--porcelain");
  if (dirty !== "") throw new Error(`There is something uncommitted:\n${dirty}`);
  const today = new Date().toISOString().slice(0, "2026-01-31".length);
  return {
    version,
    config: text.replace(`"version": "${current}"`, `"version": "${version}"`),
    changelog: releasedChangelog(await Deno.readTextFile("CHANGELOG.md"), version, today),
  };
}

/** Commands that publish the packages. */
const PUBLISH = [
  ["git", "push", "--follow-tags"],
  ["npm", "publish", "--access", "public", "dist/npm"],
  [Deno.execPath(), "publish"],
] as const;

async function release({ version, config, changelog }: Release, isPublished: boolean) {
  await run(Deno.execPath(), "task", "ok", "--all");
  await Deno.writeTextFile("deno.json", config);
  await Deno.writeTextFile("CHANGELOG.md", changelog);
  await run("git", "commit", "--all", "--message", `chore: release ${version}`);
  const notes = `Splicer ${version}\n\n${notesOf(changelog, version)}`;
  await run("git", "tag", "--annotate", `v${version}`, "--message", notes);
  await run(Deno.execPath(), "task", "dist");
  await run("npm", "pack", "--dry-run", "./dist/npm");
  await run(Deno.execPath(), "publish", "--dry-run");
  if (!isPublished) console.log("Nothing is published yet. These commands do it:");
  for (const [command, ...args] of PUBLISH) {
    if (isPublished) await run(command, ...args);
    else console.log(`  ${command === Deno.execPath() ? "deno" : command} ${args.join(" ")}`);
  }
}

const { values, positionals } = parseArgs({
  args: Deno.args,
  options: {
    publish: { type: "boolean", default: false },
    "dry-run": { type: "boolean", default: false },
  },
  allowPositionals: true,
});
try {
  const [wanted, ...rest] = positionals;
  if (wanted === undefined || rest.length > 0) {
    throw new Error("Expected one version, or major, minor or patch");
  }
  const prepared = await prepare(wanted);
  if (values["dry-run"]) console.log(`${prepared.version} is ready to be checked and released`);
  else await release(prepared, values.publish);
} catch (error) {
  console.error(`Cannot release: ${error instanceof Error ? error.message : error}`);
  Deno.exit(1);
}
