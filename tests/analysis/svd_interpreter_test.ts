import { assert, assertEquals } from "@std/assert";
import {
  ConfigError,
  HookedTransformer,
  type SingularVectorType,
  SVDInterpreter,
  Tensor,
} from "../../mod.ts";
import { assertError } from "../core/_tensors.ts";
import { tinyModel } from "../session/_models.ts";
import { readReference, referenceModel } from "./_reference.ts";

/** The reference decomposes in float32, where neighbouring singular vectors mix a little. */
const NEAR = { atol: 1e-4, rtol: 1e-5 };

Deno.test("SVDInterpreter reads the tokens that TransformerLens reads", async () => {
  const { singularVectors } = await readReference();
  using model = await referenceModel();
  const interpreter = new SVDInterpreter(model);
  for (const type of ["OV", "w_in", "w_out"] as const) {
    const options = { numVectors: 4, headIndex: type === "OV" ? 2 : undefined };
    const vectors = interpreter.getSingularVectors(type, 1, options);
    assertEquals([...vectors.shape], [2048, 1, 4]);
    const { largest, sums } = singularVectors[type];
    const absolute = vectors.abs().squeeze(1);
    assert(absolute.max(0)[0].allClose(Tensor.from(largest), NEAR), type);
    assert(absolute.sum(0).allClose(Tensor.from(sums), NEAR), type);
  }
});

Deno.test("SVDInterpreter takes the norm's weight into w_in where it isn't folded", () => {
  using model = tinyModel();
  const vectors = new SVDInterpreter(model).getSingularVectors("w_in", 1, { numVectors: 1 });
  const scaled = model.blocks[1].mlp.W_in.transpose(0, 1).mul(model.blocks[1].ln2.w);
  // Power iteration.
  let v = Tensor.ones([16]);
  for (let i = 0; i < 500; i++) {
    v = scaled.transpose(0, 1).matmul(scaled.matmul(v));
    v = v.div(v.norm());
  }
  const logits = v.matmul(model.W_U).abs();
  assert(vectors.flatten().abs().allClose(logits, { atol: 1e-4, rtol: 1e-4 }));
});

Deno.test("SVDInterpreter refuses what isn't there", () => {
  using model = tinyModel();
  const read = (...args: Parameters<SVDInterpreter["getSingularVectors"]>) => () =>
    new SVDInterpreter(model).getSingularVectors(...args);
  assertError(
    read("QK" as SingularVectorType, 0),
    ConfigError,
    'Cannot read singular vectors of "QK": expected "OV", "w_in", "w_out".',
  );
  assertError(
    read("OV", 0),
    ConfigError,
    'Cannot read singular vectors of "OV" without a headIndex.',
  );
  assertError(
    read("OV", 0, { headIndex: 2 }),
    RangeError,
    "There is no head 2: expected 0 to 1.",
  );
  assertError(read("w_in", 2), RangeError, "There is no layer 2: expected 0 to 1.");
  assertError(
    read("OV", 0, { headIndex: 0, numVectors: 9 }),
    RangeError,
    "Cannot read 9 singular vectors: expected 1 to 8.",
  );
  using attention = new HookedTransformer({
    nLayers: 1,
    dModel: 8,
    nHeads: 2,
    dHead: 4,
    nCtx: 4,
    dVocab: 5,
    attnOnly: true,
  });
  assertError(
    () => new SVDInterpreter(attention).getSingularVectors("w_out", 0),
    ConfigError,
    'Cannot read singular vectors of "w_out": there are no MLPs.',
  );
});
