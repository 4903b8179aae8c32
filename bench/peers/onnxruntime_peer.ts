/**
 * The plain forward pass with onnxruntime: answers the same lines of JSON as `transformer_lens_peer.py`.
 *
 * Its argument is the URL of onnxruntime's module, `-node` or `-web`.
 */
import { centred, sampled } from "../_values.ts";
import type { Answer, Request } from "../_peer.ts";
import type { Step } from "../_steps.ts";

/** What of onnxruntime's interface is used. */
interface Onnx {
  env: { wasm: { numThreads?: number } };
  Tensor: new (
    type: "int64" | "float32",
    data: BigInt64Array | Float32Array,
    dims: number[],
  ) => OnnxTensor;
  InferenceSession: {
    create(graph: string | Uint8Array, options: Record<string, unknown>): Promise<Session>;
  };
}
interface OnnxTensor {
  data: Float32Array;
  dims: number[];
}
interface Session {
  inputNames: string[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
}

const url = Deno.args[0];
const module = await import(url);
const onnx: Onnx = module.InferenceSession ? module : module.default;
const isWeb = url.includes("onnxruntime-web");

let tokens: number[][] = [];
let open: (graph: string) => Promise<Session>;
let graphPath: string;
let session: Session;
/** The graph of one token, and the keys and values that it begins with. */
let stepping: { session: Session; past: Record<string, OnnxTensor> } | undefined;

async function load({ scenario, threads, graph }: Extract<Request, { do: "load" }>) {
  if (graph === undefined) throw new Error("onnxruntime needs a graph.");
  tokens = scenario.tokens;
  onnx.env.wasm.numThreads = threads;
  const options = { graphOptimizationLevel: "all", intraOpNumThreads: threads };
  open = async (graph) => {
    if (!isWeb) return await onnx.InferenceSession.create(graph, options);
    const externalData = [{
      path: graph.split("/").at(-1) + ".data",
      data: await Deno.readFile(graph + ".data"),
    }];
    return await onnx.InferenceSession.create(await Deno.readFile(graph), {
      ...options,
      executionProviders: ["wasm"],
      externalData,
    });
  };
  graphPath = graph;
  session = await open(graph);
}

function idsTensor(ids: number[][]): OnnxTensor {
  return new onnx.Tensor("int64", BigInt64Array.from(ids.flat(), BigInt), [
    ids.length,
    ids[0].length,
  ]);
}

/** Opens the graph of one token. */
async function openStep() {
  const session = await open(`${graphPath}.step`);
  const { buffer } = await Deno.readFile(`${graphPath}.past`);
  const all = new Float32Array(buffer);
  const names = session.inputNames.filter((name) => name.startsWith("past."));
  const nPos = tokens.length * tokens[0].length;
  const size = all.length / names.length;
  // GPT-2 small's heads.
  const dims = [1, 12, nPos, size / nPos / 12];
  const past = names.map((name, i) =>
    [name, new onnx.Tensor("float32", all.slice(i * size, (i + 1) * size), dims)] as const
  );
  return { session, past: Object.fromEntries(past) };
}

async function forward({ prompts }: { prompts: number }): Promise<Answer> {
  const feed = idsTensor(tokens.slice(0, prompts));
  const started = performance.now();
  const { logits } = await session.run({ input_ids: feed });
  const ms = performance.now() - started;
  return { ms, values: sampled([centred(logits.data, logits.dims[logits.dims.length - 1])]) };
}

/** One token after another, each over the keys and values that the last one gave. */
async function generate(count: number): Promise<Answer> {
  stepping ??= await openStep();
  const { session } = stepping;
  let { past } = stepping;
  const results: OnnxTensor[] = [];
  const started = performance.now();
  for (const id of tokens[0].slice(0, count)) {
    const { logits, ...present } = await session.run({ input_ids: idsTensor([[id]]), ...past });
    past = Object.fromEntries(
      Object.entries(present).map(([name, value]) => [name.replace("present", "past"), value]),
    );
    results.push(logits);
  }
  const ms = performance.now() - started;
  return { ms, values: sampled(results.map(({ data }) => centred(data, data.length))) };
}

async function run({ steps }: Extract<Request, { do: "run" }>): Promise<Answer> {
  const [step]: readonly Step[] = steps;
  if (steps.length === 1 && step.step === "generate") return await generate(step.tokens);
  if (steps.length === 1 && step.step === "forward" && step.rows === "all") {
    return await forward(step);
  }
  throw new Error("onnxruntime only does plain forward passes and tokens one by one here.");
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
