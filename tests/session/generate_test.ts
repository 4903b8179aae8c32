import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ConfigError,
  HookedSAETransformer,
  memoryUsage,
  ShapeError,
  Tensor,
  TokenError,
  UnknownPointError,
} from "../../mod.ts";
import { assertSameBits, tinyModel, tinySae, TOKENS } from "./_models.ts";

const PROMPT = "When John and Mary went to the shops, John gave the bag to";

const embedded = await HookedSAETransformer.fromPretrained("ioi-tiny");

/** Gives a model logits that prefer one token after another. */
function saying(model: HookedSAETransformer, tokens: readonly (readonly number[])[]) {
  return model.hooks({
    fwdHooks: [["unembed.hook_out", (logits, { posOffset }) => {
      tokens.forEach((row, text) => {
        row.forEach((id, i) => {
          const pos = TOKENS[0].length - 1 + i - posOffset;
          if (pos >= 0 && pos < logits.shape[1]) logits.set([text, pos, id], 1000);
        });
      });
    }]],
  });
}

Deno.test("generate() gives text for text, a list for a list, tokens for tokens", () => {
  const options = { maxNewTokens: 2, doSample: false };
  const text: string = embedded.generate(PROMPT, options);
  assertEquals(text, `${PROMPT} Mary.`);
  const several: string[] = embedded.generate([PROMPT, "The dog"], options);
  assertEquals(several[0], text);
  assertEquals(several[1], embedded.generate("The dog", options));
  assertEquals(embedded.generate([PROMPT], options), [text]);
  const tokens = embedded.toTokens(PROMPT);
  const added: Tensor = embedded.generate(tokens, options);
  assertEquals(added.dtype, "int32");
  assertEquals(added.toArray(), embedded.toTokens(text).toArray());
  assertEquals(embedded.generate(tokens.at(0), options).shape, [1, tokens.shape[1] + 2]);
  assertEquals(
    embedded.generate(tokens.at(0).toArray() as number[], options).toArray(),
    added.toArray(),
  );
});

Deno.test("generate() says what TransformerLens 3.9 says on the embedded model", () => {
  const options = { maxNewTokens: 12, doSample: false };
  assertEquals(embedded.generate([PROMPT, "The dog", "She was very happy because"], options), [
    `${PROMPT} Mary.`,
    "The dog that the boy likes walks in the forest.",
    "She was very happy becauseShe was very happy 57She was very happy 57",
  ]);
  for (const usePastKvCache of [true, false]) {
    const on = { ...options, usePastKvCache, stopAtEos: false };
    assertEquals(embedded.generate([PROMPT, "The dog"], on), [
      `${PROMPT} Mary.The opposite of young is old.The`,
      "The dog that the boy likes walks in the forest.The opposite",
    ]);
  }
  // There TransformerLens hides the BOS, which it takes for padding, and says nothing.
  assertEquals(embedded.generate("", options), "The opposite of young is old.");
});

Deno.test("generate() gives what the returnType says", () => {
  const options = { maxNewTokens: 2, doSample: false } as const;
  const tokens = embedded.generate(PROMPT, { ...options, returnType: "tokens" });
  assertEquals(
    embedded.generate(tokens.at(":", ":-2"), { ...options, returnType: "str" }),
    `${PROMPT} Mary.`,
  );
  const embeds = embedded.generate(PROMPT, { ...options, returnType: "embeds" });
  assertSameBits(embeds, embedded.W_E.indexSelect(0, tokens.flatten()).unsqueeze(0));
  assertEquals(
    embedded.generate("", { maxNewTokens: 0, returnType: "tokens" }).toArray(),
    embedded.toTokens("").toArray(),
  );
});

Deno.test("generate() goes on from embeddings, which pass hook_embed", () => {
  const options = { maxNewTokens: 4, doSample: false, stopAtEos: false } as const;
  const tokens = Tensor.from(TOKENS, undefined, "int32");
  for (
    const changes of [{}, { positionalEmbeddingType: "alibi", postEmbeddingLn: true }] as const
  ) {
    using model = tinyModel(changes);
    const whole = model.generate(tokens, options);
    const hookEmbed = model.runWithCache(whole)[1].get("hook_embed");
    const prompt = hookEmbed.at(":", ":6");
    const seen: (readonly number[])[] = [];
    using _hooks = model.hooks({
      fwdHooks: [["hook_embed", ({ shape }) => void seen.push(shape)]],
    });
    const embeds = model.generate(prompt, options);
    assertSameBits(embeds, hookEmbed);
    assertEquals(seen, [[2, 6, 16], [2, 1, 16], [2, 1, 16], [2, 1, 16]]);
    const added = model.generate(prompt, { ...options, returnType: "tokens" });
    assertEquals(added.toArray(), whole.at(":", "6:").toArray());
    const uncached = model.generate(prompt, { ...options, usePastKvCache: false });
    assertSameBits(uncached, embeds);
    assertSameBits(model.generate(tokens, { ...options, returnType: "embeds" }), embeds);
    assertThrows(
      () => model.generate(Tensor.zeros([2, 6, 17]), options),
      ShapeError,
      "Cannot generate from Tensor(float32[2, 6, 17]): expected embeddings float32[batch, pos, dModel 16].",
    );
    assertThrows(
      () =>
        model.generate(prompt, {
          ...options,
          saes: tinySae("blocks.0.attn.hook_z"),
          excludeSpecialTokens: [1],
        }),
      ShapeError,
      "Cannot exclude tokens in a text that begins with embeddings: nobody knows its tokens.",
    );
  }
});

Deno.test("generation stops at end tokens, and fills up the texts that ended", () => {
  using model = tinyModel();
  using _saying = saying(model, [[7, 9, 3, 3, 3], [8, 8, 9, 4, 4]]);
  const options = { maxNewTokens: 5, doSample: false } as const;
  const added = (eosTokenId: number | number[]) =>
    model.generate(TOKENS, { ...options, eosTokenId }).at(":", "6:").toArray();
  assertEquals(added(9), [[7, 9, 9], [8, 8, 9]]);
  assertEquals(added([4, 7]), [[7, 4, 4, 4], [8, 8, 9, 4]]);
  const all = [[7, 9, 3, 3, 3], [8, 8, 9, 4, 4]];
  assertEquals(added(11), all);
  const on = model.generate(TOKENS, { ...options, stopAtEos: false }).at(":", "6:");
  assertEquals(on.toArray(), all);
  assertThrows(
    () => model.generate(TOKENS, options),
    TokenError,
    "Cannot stop at an end token: the model has no tokenizer with one. Pass eosTokenId, or stopAtEos: false.",
  );
});

Deno.test("the same seed gives the same text, and text i of several what it would get alone with seed + i", () => {
  const options = { maxNewTokens: 6, temperature: 1.5, stopAtEos: false };
  const texts = [PROMPT, "The dog", "She was very"];
  const together = embedded.generate(texts, { ...options, seed: 5 });
  assertEquals(embedded.generate(texts, { ...options, seed: 5 }), together);
  texts.forEach((text, i) =>
    assertEquals(embedded.generate(text, { ...options, seed: 5 + i }), together[i])
  );
  const others = [6, 7, 8, 9].map((seed) => embedded.generate(PROMPT, { ...options, seed }));
  assert(new Set(others).size > 1);
});

Deno.test("penalties look at the prompt and at what was generated", () => {
  using model = tinyModel();
  const options = { maxNewTokens: 6, stopAtEos: false, seed: 1 };
  const tokens = model.generate(TOKENS, { ...options, freqPenalty: 1e4, topK: 1 }).toArray();
  for (const row of tokens as number[][]) assertEquals(new Set(row.slice(6)).size, 6);
  assertEquals(
    tokens.map((row: number[], text: number) =>
      row.slice(6).filter((id) => TOKENS[text].includes(id)).length
    ),
    [0, 0],
  );
  const strong = { ...options, temperature: 0, repetitionPenalty: 1e4 };
  const unrepeated = model.generate(TOKENS, strong).toArray() as number[][];
  unrepeated.forEach((row, text) => assert(!TOKENS[text].includes(row[6]), `text ${text}`));
});

Deno.test("hooks and SAEs are active while generating, by posOffset and by token ids", () => {
  using model = tinyModel();
  using sae = tinySae("blocks.0.attn.hook_z");
  const options = { maxNewTokens: 3, stopAtEos: false, doSample: false } as const;
  const plain = model.generate(TOKENS, options).toArray() as number[][];
  const offsets: number[] = [];
  const codes = "blocks.0.attn.hook_z.hook_sae_acts_post";
  const spliced = model.generate(TOKENS, {
    ...options,
    saes: sae,
    fwdHooks: [[codes, (_, { posOffset }) => void offsets.push(posOffset)]],
  });
  assertEquals(offsets, [0, 6, 7]);
  assertEquals([model.actsToSaes.size, model.listHooks().length], [0, 0]);
  {
    using _sae = model.saes(sae);
    assertEquals(model.generate(TOKENS, options).toArray(), spliced.toArray());
  }
  assert(spliced.toArray().join() !== plain.join());
  // Where every token is excluded, the SAE changes nothing: generated tokens count as what they are.
  const everything = Array.from({ length: 20 }, (_, id) => id);
  const excluded = { ...options, saes: sae, excludeSpecialTokens: everything };
  assertEquals(model.generate(TOKENS, excluded).toArray(), plain);
});

Deno.test("generate() returns the activations of the whole text, or of the points wanted", () => {
  using model = tinyModel();
  const options = { maxNewTokens: 3, doSample: false, stopAtEos: false } as const;
  const [tokens, cache] = model.generate(TOKENS, {
    ...options,
    namesFilter: "blocks.1.hook_resid_post",
  });
  assertEquals([...cache.keys()], ["blocks.1.hook_resid_post"]);
  assertSameBits(
    cache.get("resid_post", 1),
    model.runWithCache(tokens)[1].get("resid_post", 1),
  );
  const [, all] = model.generate(TOKENS, { ...options, returnCache: true });
  assertEquals([...all.keys()], [...model.runWithCache(tokens)[1].keys()]);
  const { sequences, logits } = model.generate(TOKENS, { ...options, outputLogits: true });
  assertEquals(sequences.toArray(), tokens.toArray());
  logits.forEach((row, i) => assertSameBits(row, model.forward(tokens).at(":", 5 + i)));
});

Deno.test("generate() takes texts that end in pads, when a mask says so", () => {
  using model = tinyModel();
  const options = { maxNewTokens: 4, doSample: false, stopAtEos: false } as const;
  const padded = [[3, 1, 4, 0, 0], [2, 6, 5, 3, 5]];
  const attentionMask = [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]];
  for (const usePastKvCache of [true, false]) {
    const tokens = model.generate(padded, { ...options, attentionMask, usePastKvCache });
    const alone = model.generate([[3, 1, 4]], options);
    assertEquals(tokens.at(0, "5:").toArray(), alone.at(0, "3:").toArray());
    assertEquals(tokens.at(1).toArray(), model.generate([padded[1]], options).at(0).toArray());
  }
});

Deno.test("generateStream() gives a step a token, with text that adds up", async () => {
  const options = { maxNewTokens: 6, doSample: false };
  const whole = embedded.generate(PROMPT, options);
  let text = PROMPT;
  const steps = [];
  for await (const step of embedded.generateStream(PROMPT, options)) {
    text += step.newText;
    assertEquals(step.text, text);
    assertEquals(step.newTokens.shape, [1, 1]);
    steps.push(step.isLast);
  }
  assertEquals(text, whole);
  assertEquals(steps.indexOf(true), steps.length - 1);
});

Deno.test("generateStream() gathers tokens, up to the last step's rest", async () => {
  using model = tinyModel();
  const options = { maxNewTokens: 5, doSample: false, stopAtEos: false };
  const seen = [];
  for await (const step of model.generateStream(TOKENS, { ...options, maxTokensPerYield: 2 })) {
    seen.push(step.newTokens);
  }
  assertEquals(seen.map(({ shape }) => shape), [[2, 2], [2, 2], [2, 1]]);
  const whole = model.generate(TOKENS, options).at(":", "6:");
  assertEquals(Tensor.cat(seen, 1).toArray(), whole.toArray());
});

Deno.test("a stream's new text waits for the end of a character", async () => {
  const { tokenizer } = embedded;
  const bytes = tokenizer!.encode("é");
  assert(bytes.length > 1, "one character of several tokens");
  const start = embedded.toTokens("The").shape[1] - 1;
  using _saying = embedded.hooks({
    fwdHooks: [["unembed.hook_out", (logits, { posOffset }) => {
      bytes.forEach((id, i) => {
        const pos = start + i - posOffset;
        if (pos >= 0 && pos < logits.shape[1]) logits.set([0, pos, id], 1000);
      });
    }]],
  });
  const added: (string | string[])[] = [];
  const options = { maxNewTokens: bytes.length, doSample: false, stopAtEos: false };
  for await (const { newText } of embedded.generateStream("The", options)) added.push(newText);
  assertEquals(added, [...Array(bytes.length - 1).fill(""), "é"]);
});

Deno.test("leaving a stream, or aborting it, ends it and gives its memory back", async () => {
  using model = tinyModel();
  const options = { maxNewTokens: 6, doSample: false, stopAtEos: false };
  const before = memoryUsage().liveBytes;
  for await (const { tokens } of model.generateStream(TOKENS, options)) {
    assert(memoryUsage().liveBytes > before);
    if (tokens.shape[1] === 8) break;
  }
  assertEquals(memoryUsage().liveBytes, before);
  const controller = new AbortController();
  let nSteps = 0;
  await assertRejects(
    async () => {
      const signal = controller.signal;
      for await (const _ of model.generateStream(TOKENS, { ...options, signal })) {
        if (++nSteps === 2) controller.abort(new RangeError("enough"));
      }
    },
    RangeError,
    "enough",
  );
  assertEquals([nSteps, memoryUsage().liveBytes], [2, before]);
  model.generateStream(TOKENS, options);
  assertEquals(memoryUsage().liveBytes, before);
});

Deno.test("hooks that come and go between a stream's steps count from the next one on", async () => {
  using model = tinyModel();
  const options = { maxNewTokens: 4, doSample: false, stopAtEos: false };
  const seen: number[] = [];
  const stream = model.generateStream(TOKENS, {
    ...options,
    fwdHooks: [["blocks.0.hook_resid_pre", (_, { posOffset }) => void seen.push(posOffset)]],
  });
  for await (const { tokens } of stream) {
    // The stream's own hook isn't there in between.
    model.forward(TOKENS);
    model.resetHooks();
    if (tokens.shape[1] === 8) model.addHook("blocks.1.hook_resid_pre", () => void seen.push(-1));
  }
  assertEquals(seen, [0, 6, 7, -1, -1, 8]);
});

Deno.test("generate() and generateStream() refuse what they can't do, before anything runs", () => {
  using model = tinyModel();
  const options = { stopAtEos: false, maxNewTokens: 2 };
  for (const run of [model.generate.bind(model), model.generateStream.bind(model)]) {
    assertThrows(
      () => run(TOKENS, { ...options, maxNewTokens: 8 }),
      TokenError,
      "Cannot generate 8 tokens after 6: the context of tiny holds 12.",
    );
    assertThrows(
      () => run(TOKENS, { ...options, maxNewTokens: -1 }),
      ConfigError,
      "Cannot generate with maxNewTokens -1: expected a whole number from 0.",
    );
    assertThrows(
      () => run(TOKENS, { ...options, temprature: 1 } as object),
      ConfigError,
      'Cannot generate with the option "temprature": there is none of this name. Did you mean "temperature"?',
    );
    assertThrows(
      () => run(TOKENS, { ...options, topK: 0 }),
      ConfigError,
      "Cannot sample with topK 0: expected a whole number above 0.",
    );
    assertThrows(
      () => run(TOKENS, { ...options, seed: 0.5 }),
      ConfigError,
      "Cannot generate with the seed 0.5: expected an integer.",
    );
    assertThrows(
      () => run(TOKENS, { ...options, fwdHooks: [["blocks.0.hook_resid_prev", () => {}]] }),
      UnknownPointError,
      'There is no hook point "blocks.0.hook_resid_prev".',
    );
    assertThrows(
      () => run("text", options),
      TokenError,
      "Cannot run on text: the model has no tokenizer. Load it with one, or pass token ids.",
    );
    assertThrows(() => run([[]], options), TokenError);
  }
  assertThrows(
    () => model.generate(TOKENS, { ...options, maxNewTokens: 1, returnType: "str" }),
    TokenError,
    "Cannot give generated tokens as text: the model has no tokenizer. Load it with one, or pass token ids.",
  );
  assertThrows(
    () => model.generate(TOKENS, { ...options, returnType: "text" as "str" }),
    ConfigError,
    'Cannot generate with the returnType "text": expected "input", "str", "tokens", "embeds".',
  );
  assertEquals(model.contextLevel, 0);
  assertThrows(
    () =>
      model.generate(TOKENS, {
        ...options,
        namesFilter: "blocks.0.attn.hook_zz",
      }),
    UnknownPointError,
  );
});

Deno.test("a stream's step has no cache that nobody asked for", async () => {
  using model = tinyModel();
  for await (const step of model.generateStream(TOKENS, { maxNewTokens: 1, stopAtEos: false })) {
    assertThrows(
      () => step.cache,
      ConfigError,
      "There is no cache of this step: pass returnCache or a namesFilter.",
    );
    assertThrows(() => step.text, TokenError);
  }
});
