import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError, GradientError, memoryUsage, Tensor } from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { assertSameBits, tinyModel, TOKENS } from "./_models.ts";

Deno.test("forward() takes a row of ids, rows of them, and tensors of integers", () => {
  using model = tinyModel();
  const expected = model.forward([TOKENS[0]]).clone();
  assertEquals([...expected.shape], [1, 6, 20]);
  const row = TOKENS[0];
  const same = [row, Tensor.from(row), Tensor.from(row, [1, 6], "int32"), Int32Array.from(row)];
  for (const input of same) {
    const tokens = input instanceof Int32Array ? Tensor.from(input) : input;
    assertSameBits(model.forward(tokens), expected);
  }
});

Deno.test("forward() gives logits, a loss, both or nothing", () => {
  using model = tinyModel();
  const logits = model.forward(TOKENS);
  const loss = model.forward(TOKENS, { returnType: "loss" });
  const targets = Tensor.from(TOKENS.map((row) => row.slice(1)), undefined, "int32");
  const expected = logits.logSoftmax().at(":", ":-1").gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    .neg();
  assertSameBits(model.forward(TOKENS, { returnType: "loss", lossPerToken: true }), expected);
  assertSameBits(loss, expected.mean());
  const both = model.forward(TOKENS, { returnType: "both" });
  assertSameBits(both[0], logits);
  assertSameBits(both.logits, logits);
  assertSameBits(both[1], loss);
  assertSameBits(both.loss, loss);
  model.keepBase = false;
  assertEquals(model.forward(TOKENS, { returnType: null }), null);
  assertEquals(model.ran.stages.at(-1), "unembed");
});

Deno.test("forward() leaves pairs with a pad out of the loss", () => {
  using model = tinyModel();
  const [text] = TOKENS;
  const alone = model.forward([text], { returnType: "loss" }).item();
  const padded = model.forward([[0, 0, ...text]], {
    returnType: "loss",
    attentionMask: [[0, 0, 1, 1, 1, 1, 1, 1]],
  });
  // The same losses, summed in another order with two zeros.
  assert(Math.abs(padded.item() - alone) < 1e-6);
});

Deno.test("forward() stops before a layer and starts at one, counted from either end", () => {
  using model = tinyModel();
  const [logits, cache] = model.runWithCache(TOKENS);
  for (const layer of [1, -1]) {
    const resid = model.forward(TOKENS, { stopAtLayer: layer });
    assertSameBits(resid, cache.get("resid_pre", 1));
    assertSameBits(model.forward(resid, { startAtLayer: layer }), logits);
    const tokens = Tensor.from(TOKENS);
    assertSameBits(
      model.forward(resid, { startAtLayer: layer, returnType: "loss", tokens }),
      model.forward(TOKENS, { returnType: "loss" }),
    );
  }
  assertSameBits(model.forward(TOKENS, { stopAtLayer: 2 }), cache.get("resid_post", 1));
  const embedded = cache.get("embed").add(cache.get("pos_embed"));
  assertSameBits(model.forward(TOKENS, { stopAtLayer: 0 }), embedded);
  const middle = model.forward(cache.get("resid_pre", 0), { startAtLayer: 0, stopAtLayer: 1 });
  assertSameBits(middle, cache.get("resid_pre", 1));
});

Deno.test("forward() says what it ran", () => {
  using model = tinyModel();
  model.keepBase = false;
  model.forward(TOKENS, { stopAtLayer: 1 });
  assertEquals(model.ran.stages, ["embed", "0.attn_in", "0.attn_out", "0.mlp_in", "0.mlp_out"]);
  assertEquals([model.ran.rows, model.ran.resumedFrom], [5 * 12, null]);
  const { multiplyAdds } = model.ran;
  // Per row: q, k, v and the output 4 · 16 · 16, the MLP 2 · 16 · 24; attention twice 16 for each key seen, 21 a text.
  assertEquals(multiplyAdds, 12 * (4 * 256 + 2 * 384) + 2 * 2 * 21 * 16);
  assert(model.ran.ms > 0);
});

Deno.test("Logits that are read later keep the values of their run", () => {
  using model = tinyModel();
  const expected = model.forward(TOKENS).clone();
  const unread = model.forward(TOKENS);
  model.runWithHooks(TOKENS, { fwdHooks: [["blocks.1.hook_resid_post", (act) => act.set([], 0)]] });
  const zeroes = new Map(
    [...model.stateDict()].map((
      [name, { shape, size }],
    ) => [name, { shape, data: new Float32Array(size) }]),
  );
  model.loadAndProcessStateDict(zeroes, {
    foldLn: false,
    centerWritingWeights: false,
    centerUnembed: false,
    foldValueBiases: false,
  });
  assertEquals(model.forward(TOKENS).any().item(), 0);
  assertSameBits(unread, expected);
});

Deno.test("A model that is disposed gives back the weights that were replaced, too", () => {
  const before = memoryUsage().liveBytes;
  const model = tinyModel();
  const unread = model.forward(TOKENS);
  const { weightBytes } = memoryUsage();
  const weights = new Map(
    [...model.stateDict()].map(([name, tensor]) =>
      [name, { shape: tensor.shape, data: tensor.data() as Float32Array }] as const
    ),
  );
  model.loadAndProcessStateDict(weights, { foldLn: false });
  assert(memoryUsage().weightBytes > 1.9 * weightBytes);
  model[Symbol.dispose]();
  assertEquals(memoryUsage().liveBytes, before);
  assertThrows(() => unread.data(), ConfigError, "the model was disposed before they were read");
});

Deno.test("A fifth run that waits for backward() names the oldest; releaseTapes() drops them", () => {
  using model = tinyModel();
  const record = () => model.forward(TOKENS, { watch: ["hook_embed"], returnType: "loss" });
  model.forward([[1, 2, 3]], { watch: ["hook_embed"] });
  const [second] = [record(), record(), record()];
  assertError(
    record,
    GradientError,
    "Cannot record another run: 4 recorded runs wait for backward(), the oldest is a run of [1, 3] tokens. Call backward() on what they gave, or model.releaseTapes() to drop them.",
  );
  second.backward();
  record().backward();
  model.releaseTapes();
  assertEquals(record().requiresGrad, false);
  model.releaseTapes();
});

Deno.test("A tensor with requiresGrad that a hook brings in gets its gradient", () => {
  using model = tinyModel();
  const steering = Tensor.zeros([16]);
  steering.requiresGrad = true;
  const point = "blocks.0.hook_resid_post";
  model.runWithHooks(TOKENS, {
    fwdHooks: [[point, (act) => act.add(steering)]],
    returnType: "loss",
  })
    .backward();
  const [, cache] = model.runWithCache(TOKENS, {
    returnType: "loss",
    inclBwd: true,
    namesFilter: point,
  });
  // The vector was added to every row, so its gradient is the rows' sum, here in another order.
  assert(
    steering.grad!.allClose(cache.get(`${point}_grad`).sum([0, 1]), { atol: 1e-7, rtol: 1e-5 }),
  );
});

Deno.test("Two runs may feed one scalar", () => {
  using model = tinyModel();
  const grads: Tensor[] = [];
  const loss = (input: number[][]) =>
    model.runWithHooks(input, {
      returnType: "loss",
      bwdHooks: [["blocks.0.hook_resid_pre", (gradient) => {
        grads.push(gradient.clone());
      }]],
    });
  loss([TOKENS[0]]).backward();
  loss([TOKENS[1]]).sub(loss([TOKENS[0]])).backward();
  assertEquals(grads.length, 3);
  const negated = grads.slice(1).some((gradient) => !gradient.add(grads[0]).any().item());
  assert(negated);
});
