// Loading a model takes little more memory than its weights: no two copies of all of them are ever there. A process of its own loads
// it, so that the most that the system has seen it have is that of the load.

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("./_load_memory.ts", import.meta.url));

const [WIDTH, LAYERS, VOCABULARY, CONTEXT] = [512, 8, 8000, 64];

const CONFIG = {
  model_type: "gpt2",
  n_embd: WIDTH,
  n_layer: LAYERS,
  n_head: 8,
  vocab_size: VOCABULARY,
  n_positions: CONTEXT,
};

/** GPT-2's tensors by name, with their shapes. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  "wte.weight": [VOCABULARY, WIDTH],
  "wpe.weight": [CONTEXT, WIDTH],
  "ln_f.weight": [WIDTH],
  "ln_f.bias": [WIDTH],
  ...Object.fromEntries(
    Array.from({ length: LAYERS }, (_, layer) =>
      Object.entries({
        "ln_1.weight": [WIDTH],
        "ln_1.bias": [WIDTH],
        "attn.c_attn.weight": [WIDTH, 3 * WIDTH],
        "attn.c_attn.bias": [3 * WIDTH],
        "attn.c_proj.weight": [WIDTH, WIDTH],
        "attn.c_proj.bias": [WIDTH],
        "ln_2.weight": [WIDTH],
        "ln_2.bias": [WIDTH],
        "mlp.c_fc.weight": [WIDTH, 4 * WIDTH],
        "mlp.c_fc.bias": [4 * WIDTH],
        "mlp.c_proj.weight": [4 * WIDTH, WIDTH],
        "mlp.c_proj.bias": [WIDTH],
      }).map(([name, shape]) => [`h.${layer}.${name}`, shape])).flat(),
  ),
};

/** Writes a checkpoint of zeros, which takes no room on disk. */
async function writeCheckpoint(folder: string, dtype: "F32" | "F16"): Promise<void> {
  const size = dtype === "F32" ? 4 : 2;
  let end = 0;
  const header = Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => {
      const begin = end;
      end += size * shape.reduce((product, dim) => product * dim, 1);
      return [name, { dtype, shape, data_offsets: [begin, end] }];
    }),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(8 + json.length);
  new DataView(start.buffer).setBigUint64(0, BigInt(json.length), true);
  start.set(json, 8);
  await Deno.writeFile(`${folder}/model.safetensors`, start);
  await Deno.truncate(`${folder}/model.safetensors`, start.length + end);
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(CONFIG));
}

// What the engine holds beside the weights, whatever the model: compiled code, and what the collector leaves for a while. 30 to 60 MB
// were seen; a second copy of the weights would be more than this.
const ROOM = 100e6;

for (const dtype of ["F32", "F16"] as const) {
  for (const how of ["processed", "as it is"]) {
    Deno.test({
      name: `loading a ${dtype} checkpoint ${how} takes at most 1.2 times its weights`,
      // Only Linux tells a process the most that it had.
      ignore: Deno.build.os !== "linux",
      async fn() {
        const folder = await Deno.makeTempDir({ prefix: "splicer_load_" });
        try {
          await writeCheckpoint(folder, dtype);
          const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
            // What the system knows of a process is read with all permissions only.
            args: ["run", "--quiet", "--allow-all", PROGRAM, folder, how],
          }).output();
          const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
          assertEquals([code, text(stderr)], [0, ""]);
          const { before, after, weightBytes, layers } = JSON.parse(text(stdout));
          assertEquals(layers, LAYERS);
          const taken = after - before;
          assert(weightBytes > 50e6 && taken <= 1.2 * weightBytes + ROOM, text(stdout));
        } finally {
          await Deno.remove(folder, { recursive: true });
        }
      },
    });
  }
}
