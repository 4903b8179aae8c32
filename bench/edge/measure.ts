/** The edge example under a long load: latency, throughput, and whether memory stays flat. */
import { join } from "node:path";
import { makeEdge } from "../../tools/dist/edge.ts";
import { endBundling } from "../../tools/dist/bundle.ts";
import { processMemory } from "../_process_memory.ts";
import { Noise } from "../_noise.ts";
import { markdownTable } from "../_table.ts";
import { load, loadCases, quantile } from "./_load.ts";
import { SERVERS } from "./_servers.ts";

const CLIENTS = 50;

/** Requests of a server, in parts; memory is looked at after each. */
const [PARTS, PART] = [10, 1_000];

const MIB = 2 ** 20;

/** What one server did. */
interface EdgeRow {
  readonly name: string;
  readonly answered: number;
  readonly lost: number;
  readonly wrong: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** The process' own memory in MiB: after the first part, and at each later one the most. */
  readonly first: number;
  readonly last: number;
  readonly most: number;
  /** All resident memory at the end. */
  readonly resident: number;
  /** Cores that other programs kept busy meanwhile. */
  readonly others: number;
  /** The module's memory in MiB. */
  readonly wasm: number;
  /** The most of the isolate, WASM included, where the server limits that. */
  readonly isolate: number | undefined;
}

async function measureServer(
  name: string,
  dist: string,
  parts: number,
): Promise<EdgeRow> {
  await using server = await SERVERS[name](dist);
  const cases = await loadCases(server.url);
  const noise = new Noise([server.pid]);
  const total = { times: [] as number[], lost: 0, wrong: 0, ms: 0 };
  const [own, isolate]: number[][] = [[], []];
  for (let part = 0; part < parts; part++) {
    const { times, lost, wrong, ms } = await load(server.url, cases, {
      clients: CLIENTS,
      requests: PART,
    });
    total.times.push(...times);
    total.lost += lost;
    total.wrong += wrong;
    total.ms += ms;
    own.push(processMemory(server.pid).own);
    if (server.isolateBytes) isolate.push(await server.isolateBytes() / MIB);
  }
  const others = noise.others();
  const { memory } = await (await fetch(server.url)).json();
  return {
    name,
    answered: total.times.length,
    lost: total.lost,
    wrong: total.wrong,
    perSecond: 1000 * total.times.length / total.ms,
    p50: quantile(total.times, 0.5),
    p99: quantile(total.times, 0.99),
    max: quantile(total.times, 1),
    first: own[0],
    last: own[own.length - 1],
    most: Math.max(...own),
    resident: processMemory(server.pid).resident,
    others,
    wasm: memory.heapBytes / MIB,
    isolate: server.isolateBytes && Math.max(...isolate),
  };
}

/**
 * Loads each server of the edge example in turn.
 *
 * @param options Whether each gets a tenth of the requests.
 * @returns A section in Markdown.
 */
export async function measureEdge({ quick }: { quick: boolean }): Promise<string> {
  const dist = await Deno.makeTempDir({ prefix: "splicer-bench-edge-" });
  const rows: EdgeRow[] = [];
  try {
    await makeEdge(join(dist, "edge"));
    for (const name of Object.keys(SERVERS)) {
      rows.push(await measureServer(name, join(dist, "edge"), quick ? 1 : PARTS));
      console.error(`${name}: p99 ${rows[rows.length - 1].p99.toFixed(1)} ms`);
    }
  } finally {
    await endBundling();
    await Deno.remove(dist, { recursive: true });
  }
  const table = markdownTable(
    [
      "server",
      "answered",
      "lost",
      "wrong",
      "a second",
      "p50 ms",
      "p99 ms",
      "max ms",
      `own MiB after ${PART}`,
      "at the end",
      "most",
      "resident MiB",
      "WASM MiB",
      "isolate MiB",
      "others' cores",
    ],
    rows.map((row) => [
      row.name,
      row.answered,
      row.lost,
      row.wrong,
      Math.round(row.perSecond),
      ...[row.p50, row.p99, row.max].map((ms) => Number(ms.toFixed(1))),
      ...[row.first, row.last, row.most, row.resident, row.wasm].map(Math.round),
      row.isolate === undefined ? "no limit" : Math.round(row.isolate),
      Number(row.others.toFixed(1)),
    ]),
  );
  return `## The edge example under load

${CLIENTS} clients on loopback, each with one request at a time, nine kinds of requests in turn; the
clients run on the same machine. The model's six SAEs are loaded, and short-lived values are collected
every 2 MiB, as in the example's README. An isolate is what Cloudflare limits to 128 MiB.

${table}
`;
}
