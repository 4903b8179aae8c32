/**
 * Runs the benchmarks side by side with TransformerLens + SAELens and onnxruntime, and writes the tables to `out/bench.md` and
 * `out/bench.json`.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { coreInfo, HookedSAETransformer, memoryUsage } from "../mod.ts";
import { type BenchCase, gpt2SmallCases, ioiTinyCases, shortened } from "./_cases.ts";
import { median } from "./_median.ts";
import { Noise } from "./_noise.ts";
import {
  findTransformerLens,
  type Found,
  type OnnxPackage,
  type Peer,
  reasonOf,
  startOnnx,
  type TimedRun,
  TRANSFORMER_LENS,
} from "./_peer.ts";
import { randomScenario, type Scenario } from "./_random_model.ts";
import { type BenchReport, describeMachine, markdown, type Row, type Section } from "./_report.ts";
import {
  closeModel,
  closeStudy,
  forget,
  liveFeaturesPerRow,
  loadStudy,
  runSteps,
  type Step,
  type Study,
} from "./_steps.ts";
import { difference, sampled, TOLERANCE } from "./_values.ts";
import { measureEdge } from "./edge/measure.ts";
import { measureGemm } from "./gemm.ts";
import { measureGrowth } from "./growth.ts";
import { compareMemory } from "./memory.ts";
import { compareScreens } from "./screen.ts";
import { compareThreads } from "./threads.ts";
import { measureRepl } from "./repl/measure.ts";
import { measureRuntimes } from "./runtimes/measure.ts";

const HELP = `Measures this library beside its peers and writes out/bench.md and out/bench.json.

  deno task bench [options]

  --only <names>   cases whose name contains one of these, with commas between; "gemm" and "start" are
                   names too, and so are "runtimes", "edge", "repl", "threads", "memory", "screen" and
                   "growth", which have no peer and run only when one is named alone
  --reps <n>       repetitions; 5 unless said, loops get half as many
  --quick          one repetition, loops of 4 features
  --data <folder>  keeps the random weights there (2.5 GB) instead of a temporary folder
  --help           this text

PEER_PYTHON names a Python with bench/peers/requirements.txt installed; python3 unless said.`;

/** The prompts of the embedded model's demo. */
const embeddedTask: {
  prompts: string[];
  answers: [string, string][];
  s2Pos: number;
  s2Layer: number;
  sInhibitionHeads: [number, number][];
} = JSON
  .parse(await Deno.readTextFile(new URL("../examples/ioi_prompts.json", import.meta.url)));

/** Threads of the peers, and of ours where the model gains from them. */
const THREADS = 2;

/** Features of a loop in a run that only warms up, or with --quick. */
const FEW_FEATURES = 4;

/** A peer's worker threads spin for a while after their work; ours isn't measured meanwhile. */
const REST_MS = 100;

/** Below this many cores kept busy by others, a repetition counts as undisturbed. */
const QUIET = 0.1;

/** How often a repetition is tried, at most. */
const MOST_ATTEMPTS = 3;

interface Options {
  /** Parts of names; a case is chosen by one of them. */
  only: readonly string[];
  reps: number;
  quick: boolean;
}

/** What a run of the benchmarks shares. */
interface Bench extends Options {
  readonly report: BenchReport;
  readonly lens: Found;
  /** A folder for what is only needed meanwhile. */
  readonly scratch: string;
}

const rest = () => new Promise((done) => setTimeout(done, REST_MS));

const log = (text: string) => console.error(text);

async function timedOurs(study: Study, steps: readonly Step[]): Promise<TimedRun> {
  forget(study);
  await rest();
  const started = performance.now();
  const results = runSteps(study, steps);
  return { ms: performance.now() - started, values: sampled(results) };
}

/** One repetition. */
interface Repetition {
  ours: TimedRun;
  theirs: TimedRun;
  /** Cores that other programs kept busy meanwhile. */
  others: number;
}

/** Repeats both sides in turn, each one first now and then. Repetitions that others disturbed are done again, a few times. */
async function repeat(
  count: number,
  ours: () => Promise<TimedRun>,
  theirs: () => Promise<TimedRun>,
  pids: readonly number[] = [],
): Promise<Repetition[]> {
  const all: Repetition[] = [];
  const isEnough = () => all.filter(({ others }) => others <= QUIET).length >= count;
  while (all.length < count || (!isEnough() && all.length < MOST_ATTEMPTS * count)) {
    const noise = new Noise(pids);
    if (all.length % 2) {
      const late = await theirs();
      all.push({ ours: await ours(), theirs: late, others: noise.others() });
    } else all.push({ ours: await ours(), theirs: await theirs(), others: noise.others() });
  }
  return all.toSorted((a, b) => a.others - b.others).slice(0, count);
}

/** What repetitions come to. */
function summary(reps: readonly Repetition[]): Omit<Row, "name" | "work" | "peer" | "atMost"> {
  return {
    reps: reps.length,
    ours: median(reps.map(({ ours }) => ours.ms)),
    theirs: median(reps.map(({ theirs }) => theirs.ms)),
    ratio: median(reps.map(({ ours, theirs }) => ours.ms / theirs.ms)),
    difference: Math.max(...reps.map(({ ours, theirs }) => difference(ours.values, theirs.values))),
    others: median(reps.map(({ others }) => others)),
  };
}

/** The two sides computed different things, so their times can't be compared. */
class Disagreement extends Error {}

/** Runs both sides of a case. */
async function measureCase(
  { reps, quick }: Bench,
  study: Study,
  peer: Peer,
  { name, work, peer: peerName, steps, peerSteps = steps, atMost, isLoop, tolerance = TOLERANCE }:
    BenchCase,
): Promise<Row> {
  const cut = (all: Step[]) => quick ? shortened(all, FEW_FEATURES) : all;
  await timedOurs(study, shortened(steps, FEW_FEATURES));
  await peer.run(shortened(peerSteps, FEW_FEATURES));
  const runs = await repeat(
    isLoop ? Math.ceil(reps / 2) : reps,
    () => timedOurs(study, cut(steps)),
    () => peer.run(cut(peerSteps)),
    [peer.pid],
  );
  const row: Row = { name, work, peer: peerName, atMost, ...summary(runs) };
  if (row.difference > tolerance) {
    throw new Disagreement(`results differ by ${row.difference} of the largest value`);
  }
  log(`${name}: ${row.ours.toFixed(1)} ms, ${peerName} ${row.theirs.toFixed(1)} ms`);
  return row;
}

function isChosen({ only }: Options, name: string): boolean {
  return only.some((part) => name.includes(part));
}

/** Measures cases, and says of those that can't be why. */
async function measureCases(bench: Bench, study: Study, cases: BenchCase[], section: Section) {
  const peers = new PeersOf(bench, study);
  await using _peers = peers;
  for (const one of cases.filter(({ name }) => isChosen(bench, name))) {
    try {
      const peer = await peers.get(one.peer);
      section.rows.push(await measureCase(bench, study, peer, one));
    } catch (error) {
      const reason = reasonOf(error);
      bench.report.isWrong ||= error instanceof Disagreement;
      bench.report.skipped.push({ name: one.name, work: `${one.work}, ${one.peer}`, reason });
      log(`${one.name}: skipped: ${reason}`);
    }
  }
}

/** The peers of a scenario, each started when it is first wanted. */
class PeersOf implements AsyncDisposable {
  readonly #started = new Map<string, Promise<Peer>>();
  readonly #bench: Bench;
  readonly #scenario: Scenario;

  constructor(bench: Bench, { model, saes, tokens, answers, layer, position, heads }: Study) {
    this.#bench = bench;
    this.#scenario = { model, saes, tokens, answers, layer, position, heads };
  }

  /** Starts a peer with the scenario loaded, or throws the reason why it can't be. */
  get(name: BenchCase["peer"]): Promise<Peer> {
    const started = this.#started.get(name) ??
      (name === "transformer_lens" ? this.#lens() : this.#onnx(name));
    this.#started.set(name, started);
    return started;
  }

  async #lens(): Promise<Peer> {
    const { lens } = this.#bench;
    if ("missing" in lens) throw new Error(lens.missing);
    await lens.peer.ask({ do: "load", scenario: this.#scenario, threads: THREADS });
    return lens.peer;
  }

  async #onnx(name: OnnxPackage): Promise<Peer> {
    const { lens, scratch } = this.#bench;
    if ("missing" in lens) throw new Error(`no ONNX graph can be made: ${lens.missing}`);
    const graph = join(scratch, "model.onnx");
    const scenario = this.#scenario;
    const isThere = await Deno.stat(graph).then(() => true, () => false);
    if (!isThere) await lens.peer.ask({ do: "export_onnx", scenario, to: graph });
    const peer = await startOnnx(name, join(scratch, name));
    await peer.ask({ do: "load", scenario, threads: THREADS, graph });
    return peer;
  }

  /** Ends what was started for the scenario; TransformerLens goes on to the next one. */
  async [Symbol.asyncDispose](): Promise<void> {
    const started = [...this.#started].filter(([name]) => name !== "transformer_lens");
    for (const [, peer] of started) {
      await peer.then((peer) => peer[Symbol.asyncDispose](), () => undefined);
    }
  }
}

/** Milliseconds until a new process prints its first line. */
async function timeToFirstLine(program: string, args: readonly string[]) {
  const started = performance.now();
  const process = new Deno.Command(program, {
    args: [...args],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let [text, ms] = ["", 0];
  for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (ms === 0 && text.includes("\n")) ms = performance.now() - started;
  }
  const { success } = await process.status;
  if (!success || ms === 0) throw new Error(`"${args.join(" ")}" failed.`);
  return { ms, values: [Number(text)] };
}

/** Process start to first logits of the embedded model. */
async function measureStart(
  { lens, reps, report }: Bench,
  { model, tokens: [prompt] }: Scenario,
  section: Section,
) {
  const work = "process start to first logits";
  if ("missing" in lens) {
    report.skipped.push({ name: "start", work, reason: lens.missing });
    return;
  }
  const ids = JSON.stringify(prompt);
  const script = fileURLToPath(new URL("first_logits.ts", import.meta.url));
  const ours = () => timeToFirstLine(Deno.execPath(), ["run", "--allow-read", script, ids]);
  const theirs = () =>
    timeToFirstLine(lens.python, [TRANSFORMER_LENS, "--first-logits", model, ids]);
  // The first of each reads its files from disk.
  await Promise.all([ours(), theirs()]);
  const runs = await repeat(reps, ours, theirs);
  section.rows.push({
    name: "start",
    work,
    peer: "transformer_lens",
    atMost: 1 / 40,
    ...summary(runs),
  });
}

/** The scenario of the embedded model: the demo's prompts, and the SAEs of its `hook_z`. */
async function embeddedScenario(): Promise<Scenario> {
  const folder = (path: string) =>
    fileURLToPath(new URL(`../models/ioi-tiny/${path}`, import.meta.url));
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const { prompts, answers, s2Layer, s2Pos, sInhibitionHeads } = embeddedTask;
  return {
    model: folder("model"),
    saes: Array.from({ length: model.cfg.nLayers }, (_, l) => folder(`saes/blocks.${l}.hook_z`)),
    tokens: model.toTokens(prompts, { prependBos: true }).toArray(),
    answers: answers.map((pair) => pair.map((answer) => model.toSingleToken(answer))),
    layer: s2Layer,
    position: s2Pos,
    heads: sInhibitionHeads.map(([layer, head]) => [layer, head]),
  };
}

function threadsText(): string {
  const { threads, variant } = coreInfo();
  const ours = threads === 1 ? "1 thread" : `${threads} threads`;
  return `Ours on ${ours} (the module "${variant}"), peers on ${THREADS}.`;
}

async function benchGpt2Small(bench: Bench, data: string) {
  const study = await loadStudy(await randomScenario(data), THREADS);
  const live = liveFeaturesPerRow(study).map((n) => n.toFixed(0)).join(", ");
  const section: Section = {
    heading: "GPT-2 small's shapes",
    text:
      `8 prompts of 16 tokens unless it says otherwise. ${threadsText()} SAEs on every layer's ` +
      `\`hook_z\`, of ${study.byLayer.map(({ cfg }) => cfg.dSae).join(", ")} features; live in a ` +
      `row on average, by layer: ${live}. Nothing is kept from one repetition to the next.`,
    rows: [],
  };
  bench.report.sections.push(section);
  const cases = gpt2SmallCases(study);
  const dtypeOf = ({ steps }: BenchCase) =>
    steps.find((step) => step.step === "generate_rounded")?.dtype;
  const isSweep = ({ steps }: BenchCase) => steps.some(({ step }) => step === "sweep");
  const inSingle = cases.filter((one) => !dtypeOf(one));
  const megabytes = () => `${(memoryUsage().heapBytes / 1e6).toFixed(0)} MB`;
  await measureCases(bench, study, inSingle.filter((one) => !isSweep(one)), section);
  section.text += ` With the model and its twelve SAEs the module's memory is ${megabytes()}`;
  await measureCases(bench, study, inSingle.filter(isSweep), section);
  section.text += `, and ${megabytes()} with the variants of the sweeps.`;
  for (const dtype of ["bfloat16", "int8"] as const) {
    const { model } = study;
    const rounded = await HookedSAETransformer.fromPretrained(model, { threads: THREADS, dtype });
    const own = cases.filter((one) => dtypeOf(one) === dtype);
    await measureCases(bench, { ...study, rounded }, own, section);
    closeModel(rounded);
  }
  closeStudy(study);
}

async function benchEmbedded(bench: Bench) {
  const scenario = await embeddedScenario();
  const study = await loadStudy(scenario);
  const section: Section = {
    heading: "The embedded model",
    text: `8 prompts of 15 tokens, 4 layers. ${threadsText()}`,
    rows: [],
  };
  bench.report.sections.push(section);
  await measureCases(bench, study, ioiTinyCases(study), section);
  closeStudy(study);
  if (isChosen(bench, "start")) await measureStart(bench, scenario, section);
}

async function runBench(options: Options, data: string | undefined): Promise<BenchReport> {
  const scratch = await Deno.makeTempDir({ prefix: "splicer-bench-" });
  const lens = await findTransformerLens();
  const report: BenchReport = {
    machine: describeMachine(),
    isQuick: options.quick,
    isWrong: false,
    sections: [],
    skipped: [],
  };
  if ("missing" in lens) log(lens.missing);
  else Object.assign(report.machine, lens.versions);
  const bench: Bench = { ...options, report, lens, scratch };
  try {
    const { only, quick } = options;
    if (isChosen(options, "gemm")) report.gemm = measureGemm({ quick });
    if (only.some((part) => !["gemm", "start"].includes(part) && !part.startsWith("demo"))) {
      await benchGpt2Small(bench, data ?? join(scratch, "data"));
    }
    if (only.some((part) => part !== "gemm")) await benchEmbedded(bench);
  } finally {
    if (!("missing" in lens)) await lens.peer[Symbol.asyncDispose]();
    await Deno.remove(scratch, { recursive: true });
  }
  return report;
}

/** Benchmarks without a peer. */
const ALONE: Readonly<Record<string, (reps: number, isQuick: boolean) => Promise<string>>> = {
  runtimes: measureRuntimes,
  edge: (_reps, quick) => measureEdge({ quick }),
  repl: measureRepl,
  threads: (_reps, quick) => compareThreads({ quick }),
  memory: () => compareMemory(),
  screen: (_reps, quick) => Promise.resolve(compareScreens({ quick })),
  growth: (reps) => measureGrowth(reps),
};

async function write(file: string, text: string): Promise<void> {
  await Deno.mkdir("out", { recursive: true });
  await Deno.writeTextFile(`out/${file}`, text);
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: "string", default: "" },
      reps: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      data: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const reps = values.quick ? 1 : Number(values.reps);
  if (!Number.isInteger(reps) || reps < 1) {
    console.error(`Cannot repeat "${values.reps}" times: wanted a whole number from 1.`);
    return 1;
  }
  if (Object.hasOwn(ALONE, values.only)) {
    const text = await ALONE[values.only](reps, values.quick);
    console.log(text);
    await write(`bench-${values.only}.md`, text);
    return 0;
  }
  const report = await runBench(
    { only: values.only.split(","), reps, quick: values.quick },
    values.data,
  );
  const text = markdown(report);
  console.log(text);
  await write("bench.md", text);
  await write("bench.json", JSON.stringify(report, null, 2) + "\n");
  return report.isWrong ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
