import { assert, assertEquals, assertRejects } from "@std/assert";
import { readSaeDirectory } from "../../src/sae/files.ts";
import { SAE_KINDS } from "../../src/sae/kinds/registry.ts";
import { openSource } from "../../src/weights/open_source.ts";
import { openSafetensors } from "../../src/weights/safetensors.ts";
import { ConfigError, WeightFileError } from "../../src/core/errors.ts";

const ROOT = new URL("../../", import.meta.url);

/** A tensor to be written: shape, and values (all zero unless said). */
interface TensorToWrite {
  shape: number[];
  values?: number[];
  dtype?: "F32" | "I32";
}

/** Writes a safetensors file of 4-byte numbers. */
function safetensors(tensors: Record<string, TensorToWrite>): Uint8Array {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let begin = 0;
  for (const [name, { shape, values, dtype = "F32" }] of Object.entries(tensors)) {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const data = values ?? new Array<number>(count).fill(0);
    parts.push(new Uint8Array((dtype === "F32" ? Float32Array : Int32Array).from(data).buffer));
    header[name] = { dtype, shape, data_offsets: [begin, begin + 4 * count] };
    begin += 4 * count;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + begin);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** The tensors of a standard SAE of 2 inputs and 3 features, with changes; undefined takes one away. */
function standardTensors(
  changes: Record<string, TensorToWrite | undefined> = {},
): Record<string, TensorToWrite> {
  const tensors: Record<string, TensorToWrite | undefined> = {
    W_enc: { shape: [2, 3], values: [1, 2, 3, 4, 5, 6] },
    b_enc: { shape: [3] },
    W_dec: { shape: [3, 2] },
    b_dec: { shape: [2] },
    ...changes,
  };
  const given: Record<string, TensorToWrite> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    if (tensor !== undefined) given[name] = tensor;
  }
  return given;
}

/** A folder in memory with a standard SAE of 2 inputs and 3 features. */
function standardSae(
  changes: Record<string, TensorToWrite | undefined> = {},
  files: Record<string, Uint8Array> = {},
) {
  const cfg = {
    architecture: "standard",
    d_in: 2,
    d_sae: 3,
    metadata: { sae_lens_version: "6.54.12", hook_name: "blocks.0.hook_resid_pre" },
  };
  return openSource(
    new Map(Object.entries({
      "cfg.json": new TextEncoder().encode(JSON.stringify(cfg)),
      "sae_weights.safetensors": safetensors(standardTensors(changes)),
      ...files,
    })),
  );
}

for (
  const folder of ["tests/fixtures/sae", "tests/fixtures/multi_sae/saes", "models/ioi-tiny/saes"]
) {
  Deno.test(`readSaeDirectory() reads every SAE of ${folder}`, async () => {
    const source = openSource(new URL(`${folder}/`, ROOT));
    for (const { name } of Deno.readDirSync(new URL(folder, ROOT))) {
      const { cfg, weights, sparsity } = await readSaeDirectory(source, { folder: name });
      const shapes = SAE_KINDS[cfg.architecture].shapes(cfg);
      assertEquals([...weights.keys()], Object.keys(shapes));
      const file = await openSafetensors(source, `${name}/sae_weights.safetensors`);
      for (const [tensor, { shape, data }] of weights) {
        assertEquals(shape, shapes[tensor]);
        const stored = (await file.read(tensor)).data;
        assertEquals(data.length, stored.length);
        assert(data.every((value, i) => value === stored[i]), `${name}: ${tensor}`);
      }
      assertEquals(sparsity, undefined);
    }
  });
}

Deno.test("readSaeDirectory() widens the embedded SAEs' float16 to float32", async () => {
  const base = new URL("models/ioi-tiny/saes/blocks.2.hook_resid_pre.jumprelu/", ROOT);
  const { cfg, weights } = await readSaeDirectory(openSource(base));
  assertEquals(cfg.architecture, "jumprelu");
  const threshold = weights.get("threshold");
  assert(threshold?.data instanceof Float32Array);
  assertEquals(threshold.shape, [1024]);
  // A float16 has 11 significant bits: in float32 the lower 13 are zero.
  const bits = new Uint32Array(threshold.data.slice().buffer);
  assert(bits.every((word) => (word & 0x1fff) === 0));
  assert(threshold.data.some((value) => value !== 0));
});

Deno.test("readSaeDirectory() reads the features' sparsity where it is", async () => {
  const sparsity = safetensors({ sparsity: { shape: [3], values: [-1, -2, -3] } });
  const files = await readSaeDirectory(standardSae({}, { "sparsity.safetensors": sparsity }));
  assertEquals(files.sparsity, new Float32Array([-1, -2, -3]));

  const short = safetensors({ sparsity: { shape: [2] } });
  const error = await assertRejects(
    () => readSaeDirectory(standardSae({}, { "sparsity.safetensors": short })),
    WeightFileError,
  );
  assertEquals(
    error.message,
    'Cannot use "sparsity" in "sparsity.safetensors": it is [2], wanted [3]',
  );
});

Deno.test("readSaeDirectory() names everything that is wrong with the tensors at once", async () => {
  const source = standardSae({
    b_dec: undefined,
    b_decoder: { shape: [2] },
    W_dec: { shape: [2, 3] },
    b_enc: { shape: [3], dtype: "I32" },
  });
  const error = await assertRejects(() => readSaeDirectory(source), WeightFileError);
  assertEquals(
    error.message,
    'Cannot use "sae_weights.safetensors" for the architecture "standard":\n' +
      '  "b_enc" is I32 [3], wanted floats [3]\n' +
      '  "W_dec" is [2, 3], wanted [3, 2]\n' +
      '  "b_dec" is missing, wanted [2]\n' +
      '  "b_decoder" is unexpected; nearest is "b_dec"',
  );
});

Deno.test("readSaeDirectory() drops a scaling factor of ones and refuses any other", async () => {
  const ones = { shape: [3], values: [1, 1, 1] };
  const { weights } = await readSaeDirectory(standardSae({ scaling_factor: ones }));
  assertEquals([...weights.keys()], ["W_enc", "b_enc", "W_dec", "b_dec"]);
  assertEquals(weights.get("W_enc")?.data, new Float32Array([1, 2, 3, 4, 5, 6]));

  const scaled = { shape: [3], values: [1, 0.5, 1] };
  const error = await assertRejects(
    () => readSaeDirectory(standardSae({ scaling_factor: scaled })),
    WeightFileError,
  );
  assertEquals(
    error.message,
    'Cannot use "sae_weights.safetensors": "scaling_factor" is 0.5 for feature 1, wanted 1 for all, ' +
      "since scaled features are of a finetuning that nothing reads any more",
  );
});

Deno.test("readSaeDirectory() says which file is missing, cut off or no JSON", async () => {
  const missing = await assertRejects(
    () => readSaeDirectory(standardSae(), { folder: "layer_0" }),
    WeightFileError,
  );
  assertEquals(
    missing.message,
    'Cannot read "layer_0/cfg.json" in memory: there is no such file',
  );

  const truncated = safetensors(standardTensors()).slice(0, -4);
  const cut = await assertRejects(
    () => readSaeDirectory(standardSae({}, { "sae_weights.safetensors": truncated })),
    WeightFileError,
  );
  assertEquals(
    cut.message,
    'Cannot read "sae_weights.safetensors": tensor "b_dec" ends at byte 68, ' +
      "but only 64 follow the header",
  );

  const config = await assertRejects(
    () => readSaeDirectory(standardSae({}, { "cfg.json": new TextEncoder().encode("[]") })),
    ConfigError,
  );
  assertEquals(
    config.message,
    'Cannot use the SAE config "cfg.json": it holds [], wanted an object',
  );
});
