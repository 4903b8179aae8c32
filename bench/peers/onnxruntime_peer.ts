/**
 * The plain forward pass with onnxruntime: answers the same lines of JSON as `transformer_lens_peer.py`.
 *
 * Its argument is the URL of onnxruntime's module, `-node` or `-web`.
 */
import { sampled } from "../_values.ts";
import type { Answer, Request } from "../_peer.ts";

/** What of onnxruntime's interface is used. */
interface Onnx {
  env: { wasm: { numThreads?: number } };
  Tensor: new (type: "int64", data: BigInt64Array, dims: number[]) => OnnxTensor;
  InferenceSession: {
    create(graph: string | Uint8Array, options: Record<string, unknown>): Promise<Session>;
  };
}
interface OnnxTensor {
  data: Float32Array;
  dims: number[];
}
interface Session {
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
}

const url = Deno.args[0];
const module = await import(url);
const onnx: Onnx = module.InferenceSession ? module : module.default;
const isWeb = url.includes("onnxruntime-web");

let tokens: number[][] = [];
let session: Session;

async function load({ scenario, threads, graph }: Extract<Request, { do: "load" }>) {
  if (graph === undefined) throw new Error("onnxruntime needs a graph.");
  tokens = scenario.tokens;
  onnx.env.wasm.numThreads = threads;
  const options = { graphOptimizationLevel: "all", intraOpNumThreads: threads };
  if (!isWeb) session = await onnx.InferenceSession.create(graph, options);
  else {
    const externalData = [{
      path: graph.split("/").at(-1) + ".data",
      data: await Deno.readFile(graph + ".data"),
    }];
    session = await onnx.InferenceSession.create(await Deno.readFile(graph), {
      ...options,
      executionProviders: ["wasm"],
      externalData,
    });
  }
}

/** TransformerLens centres the unembedding, which takes each row's mean from the logits; the graph doesn't. */
function centred({ data, dims }: OnnxTensor): Float32Array {
  const width = dims[dims.length - 1];
  const result = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    const mean = row.reduce((sum, x) => sum + x, 0) / width;
    for (let i = 0; i < width; i++) result[start + i] = row[i] - mean;
  }
  return result;
}

async function run({ steps }: Extract<Request, { do: "run" }>): Promise<Answer> {
  const [step] = steps;
  if (steps.length !== 1 || step.step !== "forward" || step.rows !== "all") {
    throw new Error("onnxruntime only does plain forward passes here.");
  }
  const ids = tokens.slice(0, step.prompts);
  const feed = new onnx.Tensor("int64", BigInt64Array.from(ids.flat(), BigInt), [
    ids.length,
    ids[0].length,
  ]);
  const started = performance.now();
  const { logits } = await session.run({ input_ids: feed });
  const ms = performance.now() - started;
  return { ms, values: sampled([centred(logits)]) };
}

async function answer(request: Request): Promise<Answer> {
  if (request.do === "load") {
    await load(request);
    return {};
  }
  if (request.do === "run") return await run(request);
  throw new Error(`onnxruntime can't do "${request.do}".`);
}

let text = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  const lines = text.split("\n");
  text = lines.pop() ?? "";
  for (const line of lines) {
    const reply = await answer(JSON.parse(line)).catch((error): Answer => ({
      error: String(error),
    }));
    console.log(JSON.stringify(reply));
  }
}
