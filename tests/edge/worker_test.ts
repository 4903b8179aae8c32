import { assert, assertEquals } from "@std/assert";
import { HookedSAETransformer, SAE, type Tensor } from "../../mod.ts";
import type { Answer } from "../../examples/edge/answer.ts";
import { LIMITS } from "../../examples/edge/limits.ts";
import type { Token } from "../../examples/edge/stream.ts";
import worker from "../../examples/edge/worker.ts";
import { runDeno } from "../runtimes/_package.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";
const SAE_ID = "blocks.1.hook_z";
const CODES = "blocks.1.attn.hook_z.hook_sae_acts_post";
const JSON_TYPE = { "content-type": "application/json" };

function post(path: string, body: unknown, headers: HeadersInit = JSON_TYPE): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return worker.fetch(new Request(`http://edge${path}`, { method: "POST", headers, body: text }));
}

async function run(body: unknown): Promise<Answer> {
  const response = await post("/run", body);
  const text = await response.text();
  assertEquals(response.status, 200, text);
  return JSON.parse(text);
}

/** The events of a stream, in order. */
async function events(body: unknown): Promise<{ event: string; data: unknown }[]> {
  const response = await post("/stream", body);
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const blocks = (await response.text()).split("\n\n").filter((block) => block !== "");
  return blocks.map((block) => {
    const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
    return { event, data: JSON.parse(data) };
  });
}

Deno.test("POST /run answers with next tokens, live features and what the edits changed", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using sae = await SAE.fromPretrained("ioi-tiny-hook-z", SAE_ID);
  const edits = [{ at: CODES, kind: "ablate", feature: 969, pos: 10 }];
  const answer = await run({ prompt: PROMPT, saes: [SAE_ID], top: 3, edits });
  assertEquals(answer.tokens, model.toStrTokens(PROMPT));

  const logits = model.forward(PROMPT).at(0, -1);
  const [values, ids] = logits.topk(3);
  assertEquals(answer.next.map(({ id, logit }) => [id, logit]), zipped(ids.data(), values.data()));
  assertEquals(answer.next[0].token, " Mary");

  const [, cache] = model.runWithCacheWithSaes(PROMPT, { saes: sae, useErrorTerm: true });
  const codes = cache.get(CODES).at(0);
  const [{ at, live }] = answer.features;
  assertEquals([at, live.length], [CODES, 3]);
  for (const { feature, pos, value } of live) assertEquals(codes.at(pos, feature).item(), value);
  assertEquals(live[0].value, codes.max().item());

  const ablated = model.runWithHooksWithSaes(PROMPT, {
    saes: sae,
    useErrorTerm: true,
    fwdHooks: [[CODES, (acts) => acts.set([":", 10, 969], 0)]],
  });
  const { edited } = answer;
  assert(edited !== undefined && edited.divergence > 0);
  assertEquals(edited.next[0].logit, ablated.at(0, -1, edited.next[0].id).item());
  assertEquals([edited.resumedFrom, edited.rows], ["1.attn_out", 44]);
});

function zipped(ids: ArrayLike<number>, values: ArrayLike<number>): [number, number][] {
  return Array.from(ids, (id, n) => [id, values[n]]);
}

Deno.test("POST /run sets, scales, adds and clamps where an edit says", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  const point = "blocks.2.hook_resid_pre";
  const cases: [edit: Record<string, unknown>, becomes: (was: Tensor) => Tensor | number][] = [
    [{ kind: "set", value: 3, pos: 3, feature: 7 }, () => 3],
    [{ kind: "scale", by: -2, pos: [2, 5] }, (was) => was.mul(-2)],
    [{ kind: "add", value: 0.5, feature: 9 }, (was) => was.add(0.5)],
    [{ kind: "clamp", min: -0.1, max: 0.1 }, (was) => was.clamp(-0.1, 0.1)],
    [{ kind: "ablate" }, () => 0],
  ];
  for (const [edit, becomes] of cases) {
    const { edited } = await run({ prompt: PROMPT, edits: [{ at: point, ...edit }] });
    const { pos, feature } = edit as { pos?: number | number[]; feature?: number };
    const index = [":", pos === undefined ? ":" : [pos].flat(), feature ?? ":"];
    const logits = model.runWithHooks(PROMPT, {
      fwdHooks: [[point, (act) => act.set(index, becomes(act.at(...index)))]],
    }).at(0, -1);
    const { id, logit } = edited?.next[0] ?? {};
    assertEquals([id, logit], [logits.argmax().item(), logits.max().item()], String(edit.kind));
  }
});

Deno.test("POST /stream generates what a whole run over the text so far would choose, under edits", async () => {
  using model = await HookedSAETransformer.fromPretrained("ioi-tiny");
  using sae = await SAE.fromPretrained("ioi-tiny-hook-z", SAE_ID);
  const prompt = "Once there was a";
  // One edit within the prompt, one that only generated positions meet.
  const edits = [
    { at: CODES, kind: "set", value: 4, feature: 468, pos: 2 },
    { at: CODES, kind: "set", value: 4, feature: 401, pos: { from: 6 } },
  ];
  const all = await events({ prompt, saes: [SAE_ID], edits, newTokens: 8, top: 2 });
  const steps = all.filter(({ event }) => event === "token").map(({ data }) => data as Token);
  assertEquals(all.at(-1), { event: "end", data: { reason: "length" } });
  assertEquals(steps.length, 8);
  const tokens = [...model.toTokens(prompt).at(0).data()];
  for (const step of steps) {
    const logits = model.runWithHooksWithSaes([tokens], {
      saes: sae,
      useErrorTerm: true,
      fwdHooks: [[CODES, (acts) => {
        acts.set([":", 2, 468], 4);
        acts.set([":", "6:", 401], 4);
      }]],
    });
    const [values] = logits.at(0, -1).topk(2);
    assertEquals(step.next.map(({ logit }) => logit), [...values.data()]);
    assertEquals(step.id, logits.at(0, -1).argmax().item());
    assertEquals(step.features[0].live[0].pos >= tokens.length - 1 || tokens.length === 5, true);
    tokens.push(step.id);
  }
});

Deno.test("POST /stream ends at the end of a text", async () => {
  const ended = await events({ prompt: PROMPT, top: 1, newTokens: 32 });
  assertEquals(ended.at(-1), { event: "end", data: { reason: "eos" } });
  assertEquals((ended.at(-2)?.data as Token).token, "<|endoftext|>");
});

Deno.test("a client that leaves a stream lets another one have its place", async () => {
  const body = { prompt: PROMPT, top: 1, newTokens: 32 };
  const open = await Promise.all(
    Array.from({ length: LIMITS.streams }, () => post("/stream", body)),
  );
  const refused = await post("/stream", body);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  await refused.body?.cancel();
  for (const { body } of open) await body?.cancel();
  const again = await post("/stream", { ...body, newTokens: 1 });
  assertEquals(again.status, 200);
  await again.text();
});

Deno.test("a stream that is refused takes no place", async () => {
  const edits = [{ at: "blocks.9.nowhere", kind: "ablate" }];
  for (let n = 0; n <= LIMITS.streams; n++) {
    const refused = await post("/stream", { prompt: PROMPT, edits });
    assertEquals([refused.status, (await refused.json()).error.code], [422, "UnknownPointError"]);
  }
  assertEquals((await events({ prompt: PROMPT, newTokens: 1 })).length, 2);
});

Deno.test("the most generations at once, each as large as it may be, fit 128 MB", async () => {
  const program = new URL("./_streams.ts", import.meta.url).pathname;
  const flags = ["--quiet", "--v8-flags=--expose-gc", "--allow-read=models"];
  const { streams, bytes } = JSON.parse(await runDeno(["run", ...flags, program]));
  assertEquals(streams, LIMITS.streams);
  // With room for requests of the other kind, which take turns.
  assert(bytes < 100e6, `they take ${(bytes / 1e6).toFixed(0)} MB`);
});

/** What is wrong with a request, and what the answer says of it. */
const MISTAKES: [name: string, body: unknown, status: number, code: string, field?: string][] = [
  ["no JSON", "{", 400, "malformed"],
  ["no text", "\uD800", 400, "malformed"],
  ["no object", "[1]", 400, "malformed"],
  ["nothing", "", 400, "malformed"],
  ["too much", JSON.stringify({ prompt: "a ".repeat(LIMITS.bodyBytes) }), 413, "too large"],
  ["no prompt", {}, 422, "invalid", "prompt"],
  ["an empty prompt", { prompt: "" }, 422, "invalid", "prompt"],
  ["a number as prompt", { prompt: 5 }, 422, "invalid", "prompt"],
  ["a long prompt", { prompt: "a ".repeat(200) }, 422, "invalid", "prompt"],
  ["another field", { prompt: "a", promt: "b" }, 422, "invalid", "promt"],
  ["another SAE", { prompt: "a", saes: [SAE_ID, "x"] }, 422, "invalid", "saes[1]"],
  ["no list of SAEs", { prompt: "a", saes: SAE_ID }, 422, "invalid", "saes"],
  ["an SAE twice", { prompt: "a", saes: [SAE_ID, SAE_ID] }, 422, "invalid", "saes[1]"],
  ["no number", { prompt: "a", top: "5" }, 422, "invalid", "top"],
  ["none", { prompt: "a", top: 0 }, 422, "invalid", "top"],
  ["a large number", { prompt: "a", top: 1e9 }, 422, "invalid", "top"],
  ["no edit", { prompt: "a", edits: [null] }, 422, "invalid", "edits[0]"],
  ["many edits", { prompt: "a", edits: Array(33).fill({}) }, 422, "invalid", "edits"],
  [
    "another field of an edit",
    {
      prompt: "a",
      edits: [{ at: CODES, kind: "ablate", feture: 1 }],
    },
    422,
    "invalid",
    "edits[0]",
  ],
  [
    "a patch, which would run another prompt",
    {
      prompt: "a",
      edits: [{ at: CODES, kind: "patch", from: "b" }],
    },
    422,
    "invalid",
    "edits[0].kind",
  ],
  ["no kind", { prompt: "a", edits: [{ at: CODES }] }, 422, "invalid", "edits[0].kind"],
  [
    "a kind out of the prototype",
    { prompt: "a", edits: [{ at: CODES, kind: "constructor" }] },
    422,
    "invalid",
    "edits[0].kind",
  ],
  [
    "no value",
    { prompt: "a", edits: [{ at: CODES, kind: "set" }] },
    422,
    "invalid",
    "edits[0]",
  ],
  [
    "a value too many",
    { prompt: "a", edits: [{ at: CODES, kind: "ablate", value: 1 }] },
    422,
    "invalid",
    "edits[0]",
  ],
  [
    "a position that isn't there",
    { prompt: "a", edits: [{ at: "blocks.0.hook_resid_pre", kind: "ablate", pos: -99 }] },
    422,
    "RangeError",
  ],
  [
    "a point that isn't there",
    { prompt: "a", edits: [{ at: CODES, kind: "ablate" }] },
    422,
    "UnknownPointError",
  ],
  [
    "a feature that isn't there",
    {
      prompt: "a",
      edits: [{ at: "blocks.0.hook_resid_pre", kind: "ablate", feature: 128 }],
    },
    422,
    "HookError",
  ],
];

for (const path of ["/run", "/stream"]) {
  Deno.test(`POST ${path} says what is wrong with a request`, async () => {
    for (const [name, body, status, code, field] of MISTAKES) {
      const response = await post(path, body);
      const { error } = await response.json();
      assertEquals([response.status, error.code, error.field], [status, code, field], name);
      assert(error.message.length > 10 && error.message.length < 400, error.message);
    }
  });
}

Deno.test("the service names what it offers, and refuses the rest", async () => {
  const about = await worker.fetch(new Request("http://edge/"));
  assertEquals((await about.json()).model, "ioi-tiny");
  const missing = await post("/none", {});
  assertEquals([missing.status, (await missing.json()).error.code], [404, "not found"]);
  const method = await worker.fetch(new Request("http://edge/run"));
  assertEquals([method.status, method.headers.get("allow")], [405, "POST"]);
  await method.body?.cancel();
  const type = await post("/run", { prompt: "a" }, { "content-type": "text/plain" });
  assertEquals([type.status, (await type.json()).error.code], [415, "wrong type"]);
});

Deno.test("a body that never ends is given up", async () => {
  let isCancelled = false;
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"prompt": "')),
    cancel: () => void (isCancelled = true),
  });
  const request = new Request("http://edge/run", { method: "POST", headers: JSON_TYPE, body });
  const { setTimeout } = globalThis;
  // The limit of seconds passes at once.
  globalThis.setTimeout = ((callback: () => void) => setTimeout(callback, 0)) as never;
  const response = await worker.fetch(request);
  globalThis.setTimeout = setTimeout;
  assertEquals([response.status, (await response.json()).error.code], [408, "too slow"]);
  assert(isCancelled);
});
