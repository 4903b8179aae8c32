import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryUsage } from "../../mod.ts";
import {
  configFromHuggingFace,
  parametersFromHuggingFace,
  stateDictFromHuggingFace,
} from "../../src/model/architectures/hugging_face.ts";
import { modelWeights, streamedWeights } from "../../src/model/weights.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { openSource } from "../../src/weights/open_source.ts";
import type { TensorFile } from "../../src/weights/safetensors.ts";
import { fixture } from "./_files.ts";

/** The same tensors, read in pieces that overwrite one another. */
function inPieces(file: TensorFile, bytes: number): TensorFile {
  return {
    label: file.label,
    names: file.names,
    has: (name) => file.has(name),
    info: (name) => file.info(name),
    read: (name) => file.read(name),
    readRaw: (name) => file.readRaw(name),
    async *readPieces(name) {
      const raw = await file.readRaw(name);
      const room = new Uint8Array(bytes);
      for (let start = 0; start < raw.length; start += bytes) {
        const piece = raw.subarray(start, start + bytes);
        room.set(piece);
        yield room.subarray(0, piece.length);
      }
    },
  };
}

Deno.test("weights that come in pieces are those that come as a whole", async () => {
  for (const name of ["model", "model_f16", "model_bf16", "model_sharded"]) {
    const source = fixture(`gpt2/${name}`);
    const json = await source.readJson("config.json");
    const cfg = configFromHuggingFace(json, { firstNLayers: 2, nCtx: 20 });
    const checkpoint = await openCheckpoint(source);
    const { store: whole } = modelWeights(
      cfg,
      await stateDictFromHuggingFace(json, cfg, checkpoint),
    );
    for (const bytes of [8, 1000, 10 ** 6]) {
      const parameters = parametersFromHuggingFace(json, cfg, inPieces(checkpoint, bytes));
      const { store } = await streamedWeights(cfg, parameters.stream());
      assertEquals(store.names(), whole.names());
      for (const name of whole.names()) assertEquals(store.read(name), whole.read(name), name);
      store[Symbol.dispose]();
    }
    whole[Symbol.dispose]();
  }
});

Deno.test("a stream of weights that breaks off leaves no memory taken", async () => {
  const source = fixture("gpt2/model");
  const json = await source.readJson("config.json");
  const cfg = configFromHuggingFace(json);
  const checkpoint = await openCheckpoint(source);
  const before = memoryUsage().liveBytes;
  let pieces = 0;
  const whole = inPieces(checkpoint, 4096);
  const broken: TensorFile = {
    ...whole,
    async *readPieces(name) {
      for await (const piece of whole.readPieces?.(name) ?? []) {
        if (++pieces > 30) throw new TypeError("the connection was lost");
        yield piece;
      }
    },
  };
  const { stream } = parametersFromHuggingFace(json, cfg, broken);
  await assertRejects(() => streamedWeights(cfg, stream()), TypeError, "the connection was lost");
  assert(memoryUsage().liveBytes === before);
});

Deno.test("readPieces() of a directory gives a file's bytes in order, and stops when it is told to", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const bytes = Uint8Array.from({ length: 2 ** 19 + 24 }, (_, i) => (i * 2654435761) >>> 24);
    await Deno.writeFile(`${folder}/file`, bytes);
    for (const [offset, length] of [[0, bytes.length], [8, 2 ** 18], [16, 2 ** 18 + 1], [5, 0]]) {
      const got = new Uint8Array(length);
      let at = 0;
      for await (const piece of openSource(folder).readPieces("file", offset, length)) {
        got.set(piece, at);
        at += piece.length;
      }
      assertEquals(at, length);
      assert(got.every((byte, i) => byte === bytes[offset + i]));
    }
    const stop = new AbortController();
    const pieces = openSource(folder, { signal: stop.signal }).readPieces("file", 0, bytes.length);
    await pieces.next();
    stop.abort(new RangeError("enough"));
    await assertRejects(() => pieces.next(), RangeError, "enough");
    await assertRejects(
      () => openSource(folder).readPieces("file", 0, bytes.length + 1).next(),
      SyntaxError,
      `it has ${bytes.length} bytes`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
