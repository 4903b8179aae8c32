/** What is read of a checkpoint when only a part of its layers is wanted. */

import { assert, assertEquals } from "@std/assert";
import { HookedTransformer } from "../../mod.ts";
import { fixtureUrl } from "../_fixtures.ts";
import { assertSameBits } from "../session/_models.ts";

const TOKENS = [[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]];

/** A part of a file that was asked for. */
interface Asked {
  readonly file: string;
  readonly first: number;
  readonly last: number;
}

/** Serves a folder of the fixtures by ranges for the length of a block, and notes what is asked for. */
function serve(folder: string) {
  const asked: Asked[] = [];
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const file = new URL(request.url).pathname.slice(1);
      const bytes = await Deno.readFile(new URL(file, fixtureUrl(folder))).catch(() => undefined);
      if (!bytes) return new Response("no", { status: 404 });
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
      const [first, last] = range
        ? [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)]
        : [0, bytes.length - 1];
      asked.push({ file, first, last });
      const headers = { "content-range": `bytes ${first}-${last}/${bytes.length}` };
      const body = bytes.slice(first, last + 1);
      return range ? new Response(body, { status: 206, headers }) : new Response(body);
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

function bytesOf(asked: readonly Asked[], pattern: RegExp): number {
  return asked.filter(({ file }) => pattern.test(file))
    .reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** The names of a safetensors file's tensors with where each lies in the file. */
async function tensorsOf(folder: string, file: string): Promise<[string, number, number][]> {
  const bytes = await Deno.readFile(new URL(file, fixtureUrl(folder)));
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  delete header.__metadata__;
  const entries = Object.entries(header) as [string, { data_offsets: [number, number] }][];
  return entries.map(([name, { data_offsets: [from, to] }]) =>
    [name, 8 + length + from, 8 + length + to] as [string, number, number]
  );
}

Deno.test("firstNLayers fetches nothing of the layers beyond", async () => {
  const folder = "gpt2/model";
  await using server = serve(folder);
  using model = await HookedTransformer.fromPretrained(server.url, { firstNLayers: 1 });
  assertEquals(model.cfg.nLayers, 1);
  const parts = server.asked.filter(({ file }) => file === "model.safetensors");
  const isAsked = (from: number, to: number) =>
    parts.some(({ first, last }) => first < to && last >= from);
  for (const [name, from, to] of await tensorsOf(folder, "model.safetensors")) {
    const layer = /\bh\.(\d+)\./.exec(name)?.[1];
    assertEquals(isAsked(from, to), layer === undefined || layer === "0", name);
  }
  using whole = await HookedTransformer.fromPretrained(fixtureUrl(folder));
  const stop = { stopAtLayer: 1 };
  using cut = await HookedTransformer.fromPretrained(fixtureUrl(folder), { firstNLayers: 1 });
  assertSameBits(model.forward(TOKENS), cut.forward(TOKENS));
  assertSameBits(
    model.runWithCache(TOKENS)[1].get("resid_post", 0),
    whole.forward(TOKENS, stop),
  );
});

Deno.test("firstNLayers opens no shard that has only layers beyond", async () => {
  const folder = "gpt2/model_sharded";
  await using server = serve(folder);
  using model = await HookedTransformer.fromPretrainedNoProcessing(server.url, { firstNLayers: 1 });
  const index = JSON.parse(
    await Deno.readTextFile(new URL("model.safetensors.index.json", fixtureUrl(folder))),
  );
  const map: [string, string][] = Object.entries(index.weight_map);
  const shards = [...new Set(map.map(([, shard]) => shard))];
  const needed = new Set(
    map.filter(([name]) => /^(?!.*\bh\.[1-9])/.test(name)).map(([, shard]) => shard),
  );
  assert(needed.size < shards.length);
  const weightBytes = bytesOf(server.asked, /\.safetensors$/);
  await using all = serve(folder);
  using whole = await HookedTransformer.fromPretrainedNoProcessing(all.url);
  assert(weightBytes < 0.6 * bytesOf(all.asked, /\.safetensors$/));
  for (const shard of shards) {
    const read = server.asked.filter(({ file }) => file === shard);
    // A header may be looked at, to check that the index tells the truth.
    const tensors = (await tensorsOf(folder, shard)).map(([, from]) => from);
    const data = Math.min(...tensors);
    const touchesData = read.some(({ last, first }) => last >= data && first !== 0);
    assertEquals(touchesData, needed.has(shard), shard);
  }
  assertSameBits(
    model.forward(TOKENS, { stopAtLayer: 1 }),
    whole.forward(TOKENS, { stopAtLayer: 1 }),
  );
});
