/**
 * Runs every test, the examples in doc comments too, and ends with `N passed, N failed`.
 *
 * Arguments go to `deno test`; without a path among them the whole suite runs.
 */
import { fileURLToPath } from "node:url";
import { countTests } from "./totals.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Tests read fixtures, write to temporary folders, start subprocesses and serve on loopback. */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-env",
  "--allow-sys",
  "--allow-net=127.0.0.1,localhost",
  "--allow-import=127.0.0.1,localhost",
];

async function main(args: string[]): Promise<number> {
  const report = await Deno.makeTempFile({ prefix: "splicer_tests_", suffix: ".xml" });
  try {
    const everything = args.every((arg) => arg.startsWith("-"));
    const { code } = await new Deno.Command(Deno.execPath(), {
      cwd: ROOT,
      args: [
        "test",
        // A file a worker: the suite is many short files, so this is as even as it gets.
        "--parallel",
        "--sanitize-ops",
        "--sanitize-resources",
        "--trace-leaks",
        `--junit-path=${report}`,
        ...PERMISSIONS,
        ...args,
        ...everything ? ["--doc", "mod.ts", "src", "tests"] : [],
      ],
    }).spawn().status;
    const { passed, failed } = countTests(await Deno.readTextFile(report));
    // A file that doesn't compile fails before it is counted.
    const uncounted = code !== 0 && failed === 0 ? 1 : 0;
    console.log(`${passed} passed, ${failed + uncounted} failed`);
    return code;
  } finally {
    await Deno.remove(report);
  }
}

Deno.exit(await main(Deno.args));
