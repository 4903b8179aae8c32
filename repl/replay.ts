/**
 * Replays a stored session: loads it, runs it, and compares what comes out with what is to come out.
 *
 * @module
 */
import { exit } from "node:process";
import { type ReplayResult, Session } from "../mod.ts";

const USAGE = `Replays sessions that \`save\` wrote.

  deno task replay FILE …

The exit code is 0 when the same logits come out (bit for bit under the same build of the core, else within a tolerance),
1 when others do, 2 when a file can't be read.`;

/** Whether what came out is what was promised: the bits under one build, else values within the tolerance. */
function isAsExpected({ isSameBits, isSameModule, isClose }: ReplayResult): boolean {
  return isSameBits || (!isSameModule && isClose);
}

function verdict({ isSameBits, isSameModule, isClose, difference }: ReplayResult): string {
  if (isSameBits) return "the same logits, bit for bit";
  const off = `the stored logits differ by up to ${difference.toExponential(1)}`;
  if (isSameModule) return `other bits under the same build: ${off}`;
  return isClose ? `close, computed by another build: ${off}` : `too far off: ${off}`;
}

async function replay(path: string): Promise<boolean> {
  const result = await Session.replay(await Deno.readTextFile(path));
  const { expected, found, session } = result;
  const ok = isAsExpected(result);
  console.log(`${ok ? "ok" : "FAILED"}  ${path}: ${verdict(result)}`);
  console.log(`  ${session.edits.length} edits`);
  for (const line of session.describe()) console.log(`  ${line}`);
  console.log(`  logits ${found.logits}, stored ${expected.logits}`);
  console.log(`  module ${found.module}, stored ${expected.module}`);
  if (found.metric) console.log(`  metric ${found.metric.join(" ")}, stored ${expected.metric}`);
  return ok;
}

async function main(paths: readonly string[]): Promise<number> {
  if (paths.length === 0 || paths.some((path) => path.startsWith("-"))) {
    console.error(USAGE);
    return paths.includes("--help") ? 0 : 2;
  }
  let allOk = true;
  for (const path of paths) {
    try {
      allOk = await replay(path) && allOk;
    } catch (error) {
      console.error(error instanceof Error ? `${path}: ${error.message}` : error);
      return 2;
    }
  }
  return allOk ? 0 : 1;
}

exit(await main(Deno.args));
