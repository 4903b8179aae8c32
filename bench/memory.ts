/**
 * The memory that a process takes with GPT-2 small's shapes loaded from a float16 checkpoint and left unprocessed, after a forward
 * pass: resident, and the most that was resident on the way. `deno run -A bench/memory.ts` prints both beside the checkpoint's size.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HookedTransformer, memoryUsage } from "../mod.ts";
import { writeModel } from "./_random_model.ts";
import { markdownTable } from "./_table.ts";

/** What a process that loaded the model says of itself, in bytes. */
interface Footprint {
  resident: number;
  /** 0 where the system doesn't tell. */
  peak: number;
  weights: number;
  heap: number;
}

/** The largest resident size so far. */
function peakBytes(): number {
  if (Deno.build.os !== "linux") return 0;
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Number(kilobytes) * 1024;
}

async function load(folder: string): Promise<Footprint> {
  const model = await HookedTransformer.fromPretrainedNoProcessing(folder);
  const tokens = Array.from(
    { length: 8 },
    (_, i) => Array.from({ length: 16 }, (_, j) => 97 * i + j),
  );
  const loaded = peakBytes();
  const logits = model.forward(tokens).at(":", -1);
  if (!Number.isFinite(logits.sum().item())) throw new Error("The logits aren't finite.");
  const { weightBytes, heapBytes } = memoryUsage();
  const resident = Deno.memoryUsage().rss;
  return { resident, peak: loaded, weights: weightBytes, heap: heapBytes };
}

async function footprintOf(folder: string): Promise<Footprint> {
  const script = fileURLToPath(import.meta.url);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, folder],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The model couldn't be loaded.");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Bytes of the checkpoint and of a process with it. */
interface MemoryReport extends Footprint {
  checkpoint: number;
}

/** Measures in a process of its own. */
async function measureMemory(): Promise<MemoryReport> {
  const scratch = await Deno.makeTempDir({ prefix: "splicer-memory-" });
  try {
    writeModel(scratch, { inHalf: true });
    const { size } = await Deno.stat(join(scratch, "model.safetensors"));
    return { checkpoint: size, ...await footprintOf(scratch) };
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Measures, and gives a table. */
export async function compareMemory(): Promise<string> {
  const { checkpoint, resident, peak, weights, heap } = await measureMemory();
  const mb = (bytes: number) => Math.round(bytes / 1e6);
  const limit = 1.2 * checkpoint + 100e6;
  return [
    "## Memory",
    "A process with GPT-2 small's shapes, loaded from a float16 checkpoint and left unprocessed, before and after a forward pass of " +
    "8 prompts of 16 tokens, in MB. The limit is 1.2 times the checkpoint and 100 MB.",
    markdownTable(
      ["what", "MB", "at most"],
      [
        ["checkpoint", mb(checkpoint), ""],
        ["weights held", mb(weights), ""],
        ["most resident while loading", mb(peak), mb(limit)],
        ["resident after a pass", mb(resident), mb(limit)],
        ["WASM memory after a pass", mb(heap), ""],
      ],
    ),
  ].join("\n\n");
}

if (import.meta.main) {
  const [folder] = Deno.args;
  console.log(folder === undefined ? await compareMemory() : JSON.stringify(await load(folder)));
}
