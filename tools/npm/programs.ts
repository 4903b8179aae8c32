/** Other runtimes, as npm ships their programs. Development only: tests and benchmarks run in them. */
import { join } from "node:path";
import bun from "npm:bun@1.4.5/package.json" with { type: "json" };
import workerd from "npm:workerd@1.20261117.1/package.json" with { type: "json" };
import { packageFolder } from "./package_folder.ts";

const { os, arch } = Deno.build;
const suffix = os === "windows" ? ".exe" : "";

/** The packages with the program itself, one for each platform. */
const BUN = `@oven/bun-${os}-${arch === "x86_64" ? "x64" : arch}`;
const WORKERD = `@cloudflare/workerd-${os}-${arch === "x86_64" ? "64" : "arm64"}`;

/** Gives the path of Bun. */
export async function bunProgram(): Promise<string> {
  return join(await packageFolder(BUN, bun.version), "bin", `bun${suffix}`);
}

/** Gives the path of workerd, Cloudflare's runtime. */
export async function workerdProgram(): Promise<string> {
  return join(await packageFolder(WORKERD, workerd.version), "bin", `workerd${suffix}`);
}

/** Gives Node's major version, or undefined where there is no Node. */
export async function nodeMajor(): Promise<number | undefined> {
  try {
    const { stdout } = await new Deno.Command("node", { args: ["--version"] }).output();
    return Number(/^v(\d+)/.exec(new TextDecoder().decode(stdout))?.[1]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
