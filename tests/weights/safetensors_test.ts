import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeightFileError } from "../../src/core/errors.ts";
import { openSafetensors, readFloats } from "../../src/weights/safetensors.ts";
import {
  bytesOf,
  fixture,
  floats,
  inMemory,
  rawFile,
  safetensors,
  type Written,
} from "./_files.ts";

const PREFIX = 'Cannot read "model.safetensors": ';

/** Asserts that a file is refused for a reason. */
async function assertRefused(file: Uint8Array, reason: string): Promise<void> {
  const error = await assertRejects(() => openSafetensors(inMemory(file)), WeightFileError);
  assertEquals(error.message, PREFIX + reason);
}

/** A header of one tensor "x", parts of it replaced. */
function headerOf(parts: Record<string, unknown>): string {
  return JSON.stringify({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...parts } });
}

/** Reads back a file of the one tensor "x". */
async function readBack(x: Written) {
  const file = await openSafetensors(inMemory(safetensors({ x })));
  return await file.read("x");
}

Deno.test("openSafetensors() lists tensors in the order of their bytes, with the metadata", async () => {
  const header = JSON.stringify({
    late: { dtype: "I8", shape: [2], data_offsets: [4, 6] },
    __metadata__: { format: "pt" },
    empty: { dtype: "F32", shape: [0, 3], data_offsets: [4, 4] },
    early: { dtype: "F32", shape: [], data_offsets: [0, 4] },
  });
  const file = await openSafetensors(inMemory(rawFile(`${header}   `, 6)));
  assertEquals(file.names, ["early", "empty", "late"]);
  assertEquals(file.metadata, { format: "pt" });
  assertEquals(file.info("empty"), { dtype: "F32", shape: [0, 3], byteLength: 0 });
  assertEquals(await file.read("empty"), {
    dtype: "float32",
    shape: [0, 3],
    data: new Float32Array(0),
  });
  assertEquals((await file.read("early")).shape, []);
});

Deno.test("openSafetensors() takes a file without tensors", async () => {
  assertEquals((await openSafetensors(inMemory(rawFile("{}", 0)))).names, []);
});

Deno.test("SafetensorsFile.read() gives float32, int32 and bool for every format", async () => {
  const shape = [3];
  const cases: [string, ArrayBufferView, string, number[]][] = [
    ["F64", Float64Array.of(1.5, -0, NaN), "float32", [1.5, -0, NaN]],
    ["F32", Float32Array.of(0.1, Infinity, 3), "float32", [Math.fround(0.1), Infinity, 3]],
    ["I64", BigInt64Array.of(-5n, 2147483647n, -2147483648n), "int32", [
      -5,
      2 ** 31 - 1,
      -(2 ** 31),
    ]],
    ["I32", Int32Array.of(1, -2, 3), "int32", [1, -2, 3]],
    ["I16", Int16Array.of(1, -2, 32767), "int32", [1, -2, 32767]],
    ["I8", Int8Array.of(1, -128, 127), "int32", [1, -128, 127]],
    ["U8", Uint8Array.of(0, 128, 255), "int32", [0, 128, 255]],
    ["BOOL", Uint8Array.of(0, 1, 1), "bool", [0, 1, 1]],
  ];
  for (const [stored, array, dtype, values] of cases) {
    const tensor = await readBack({ dtype: stored, shape, bytes: bytesOf(array) });
    assertEquals([tensor.dtype, tensor.shape, [...tensor.data]], [dtype, shape, values], stored);
  }
});

Deno.test("SafetensorsFile.read() widens every float16 exactly", async () => {
  const halves = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  const { data } = await readBack({ dtype: "F16", shape: [2 ** 16], bytes: bytesOf(halves) });
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const magnitude = exponent === 31
      ? (fraction === 0 ? Infinity : NaN)
      : exponent === 0
      ? fraction / 2 ** 24
      : (1 + fraction / 1024) * 2 ** (exponent - 15);
    assert(Object.is(data[bits], bits >> 15 ? -magnitude : magnitude), `bits ${bits}`);
  }
});

Deno.test("SafetensorsFile.read() widens every bfloat16 exactly", async () => {
  const halves = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  const { data } = await readBack({ dtype: "BF16", shape: [2 ** 16], bytes: bytesOf(halves) });
  const view = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 2 ** 16; bits++) {
    view.setUint16(0, bits);
    assert(Object.is(data[bits], view.getFloat32(0)), `bits ${bits}`);
  }
});

Deno.test("SafetensorsFile.read() refuses values that have no place", async () => {
  const cases: [string, ArrayBufferView, string][] = [
    [
      "I64",
      BigInt64Array.of(0n, 2147483648n),
      "element 1 is 2147483648, beyond the range of int32",
    ],
    [
      "I64",
      BigInt64Array.of(-(2n ** 63n), 0n),
      "element 0 is -9223372036854775808, beyond the range of int32",
    ],
    ["F64", Float64Array.of(1, 1e300), "element 1 is 1e+300, beyond the range of float32"],
    ["BOOL", Uint8Array.of(1, 2), "element 1 is 2, wanted 0 or 1"],
  ];
  for (const [dtype, array, reason] of cases) {
    const error = await assertRejects(
      () => readBack({ dtype, shape: [2], bytes: bytesOf(array) }),
      WeightFileError,
    );
    assertEquals(error.message, `Cannot read "x" in "model.safetensors": ${reason}`);
  }
});

Deno.test("SafetensorsFile.readRaw() gives the stored bytes as a copy", async () => {
  const bytes = safetensors({ x: floats([2], [1, 2]) });
  const file = await openSafetensors(inMemory(bytes));
  const raw = await file.readRaw("x");
  assertEquals(raw, bytes.slice(-8));
  raw.fill(255);
  assertEquals([...(await file.read("x")).data], [1, 2]);
});

Deno.test("SafetensorsFile.info() names the nearest tensors for one that isn't there", async () => {
  const x = floats([1], [1]);
  const file = await openSafetensors(inMemory(safetensors({ W_enc: x, W_dec: x, b_enc: x, b: x })));
  const error = await assertRejects(() => file.read("W_end"), WeightFileError);
  assertEquals(
    error.message,
    'Cannot read "W_end" in "model.safetensors": there is no such tensor; ' +
      'the nearest names are "W_enc", "b_enc", "W_dec"',
  );
  const empty = await openSafetensors(inMemory(rawFile("{}", 0)));
  assertEquals(
    (await assertRejects(() => empty.read("x"), WeightFileError)).message,
    'Cannot read "x" in "model.safetensors": there is no such tensor; it has no tensors',
  );
});

Deno.test("readFloats() refuses integers", async () => {
  const file = await openSafetensors(
    inMemory(safetensors({ x: { dtype: "I32", shape: [1], bytes: new Uint8Array(4) } })),
  );
  assertEquals(
    (await assertRejects(() => readFloats(file, "x"), WeightFileError)).message,
    'Cannot read "x" in "model.safetensors": its dtype is I32, wanted one of F64, F32, F16, BF16',
  );
});

Deno.test("openSafetensors() refuses a file cut at any byte", async () => {
  const whole = safetensors({ a: floats([2], [1, 2]), b: floats([1], [3]) });
  for (let size = 0; size < whole.byteLength; size++) {
    const error = await assertRejects(
      () => openSafetensors(inMemory(whole.slice(0, size))),
      WeightFileError,
      PREFIX,
      `cut at byte ${size}`,
    );
    assert(error.message.length > PREFIX.length);
  }
});

Deno.test("openSafetensors() ends in a typed error or a whole file for any changed header byte", async () => {
  const whole = safetensors({ a: floats([2], [1, 2]), b: floats([1], [3]) });
  for (let at = 0; at < whole.byteLength - 12; at++) {
    for (const value of [0, 34, 44, 57, 92, 123, 125, 255]) {
      const file = whole.slice();
      file[at] = value;
      try {
        const opened = await openSafetensors(inMemory(file));
        const sizes = opened.names.map((name) => opened.info(name).byteLength);
        assertEquals(sizes.reduce((sum, size) => sum + size, 0), 12);
      } catch (error) {
        assert(error instanceof WeightFileError, `byte ${at} as ${value}: ${error}`);
      }
    }
  }
});

Deno.test("openSafetensors() tells what is wrong with the length of the header", async () => {
  await assertRefused(
    new Uint8Array(5),
    "it has 5 bytes, wanted at least 8 for the header's length",
  );
  const claims = (length: bigint) => {
    const file = rawFile("{}", 0);
    new DataView(file.buffer).setBigUint64(0, length, true);
    return file;
  };
  await assertRefused(claims(3n), "its header claims 3 bytes, but only 2 follow");
  await assertRefused(
    claims(2n ** 64n - 1n),
    "its header claims 18446744073709551615 bytes, wanted at most 100000000",
  );
  await assertRefused(claims(0n), 'its header doesn\'t begin with "{"');
});

Deno.test("openSafetensors() tells what is wrong with the JSON of the header", async () => {
  await assertRefused(rawFile(" {}", 0), 'its header doesn\'t begin with "{"');
  await assertRefused(rawFile("\ufeff{}", 0), 'its header doesn\'t begin with "{"');
  const invalid = rawFile("{}  ", 0);
  invalid[10] = 0xff;
  const error = await assertRejects(() => openSafetensors(inMemory(invalid)), WeightFileError);
  assert(error.message.startsWith(`${PREFIX}its header isn't valid JSON (`), error.message);
  assert(error.cause instanceof Error);
  const nan = rawFile('{"x":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', 4);
  const notJson = await assertRejects(() => openSafetensors(inMemory(nan)), WeightFileError);
  assert(notJson.message.startsWith(`${PREFIX}its header isn't valid JSON (`), notJson.message);
  const x = '{"dtype":"F32","shape":[],"data_offsets":[0,4]}';
  await assertRefused(
    rawFile(`{"x":${x},"\\u0078":${x}}`, 4),
    'its header isn\'t valid JSON (the key "x" occurs twice)',
  );
  await assertRefused(
    rawFile('{"x":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4),
    'its header isn\'t valid JSON (the key "dtype" occurs twice)',
  );
});

Deno.test("openSafetensors() tells what is wrong with a tensor", async () => {
  const cases: [Record<string, unknown>, string][] = [
    [
      { dtype: "F8_E5M2" },
      'has dtype "F8_E5M2", wanted one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL',
    ],
    [
      { dtype: "toString" },
      'has dtype "toString", wanted one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL',
    ],
    [
      { dtype: undefined },
      "has dtype missing, wanted one of F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL",
    ],
    [{ shape: [-2] }, "has shape [-2], wanted a list of whole numbers >= 0"],
    [{ shape: [1.5] }, "has shape [1.5], wanted a list of whole numbers >= 0"],
    [{ shape: 2 }, "has shape 2, wanted a list of whole numbers >= 0"],
    [{ shape: [2 ** 53] }, "has shape [9007199254740992], wanted a list of whole numbers >= 0"],
    [
      { data_offsets: [-8, 0] },
      "has data_offsets [-8,0], wanted [begin, end] with 0 <= begin <= end",
    ],
    [
      { data_offsets: [8, 0] },
      "has data_offsets [8,0], wanted [begin, end] with 0 <= begin <= end",
    ],
    [{ data_offsets: [0] }, "has data_offsets [0], wanted [begin, end] with 0 <= begin <= end"],
    [
      { data_offsets: [0, 8, 8] },
      "has data_offsets [0,8,8], wanted [begin, end] with 0 <= begin <= end",
    ],
    [{ shape: [3] }, "takes 8 bytes, but F32 [3] needs 12"],
    [{ dtype: "I16" }, "takes 8 bytes, but I16 [2] needs 4"],
    [
      { shape: [2 ** 40, 2 ** 40] },
      "takes 8 bytes, but F32 [1099511627776,1099511627776] needs more than can be counted",
    ],
    [
      { shape: [2 ** 50, 2 ** 50, 0] },
      "takes 8 bytes, but F32 [1125899906842624,1125899906842624,0] needs more than can be counted",
    ],
    [{ offset: 0 }, 'has an unknown key "offset"'],
  ];
  for (const [parts, reason] of cases) {
    await assertRefused(rawFile(headerOf(parts), 8), `tensor "x" ${reason}`);
  }
  await assertRefused(rawFile('{"x":[1]}', 8), 'tensor "x" is a list, wanted an object');
  await assertRefused(rawFile('{"x":null}', 8), 'tensor "x" is null, wanted an object');
  await assertRefused(
    rawFile('{"__metadata__":{"step":3}}', 0),
    '"__metadata__" has 3 under "step", wanted a string',
  );
  await assertRefused(
    rawFile('{"__metadata__":"pt"}', 0),
    '"__metadata__" is a string, wanted an object',
  );
});

Deno.test("openSafetensors() refuses tensors that overlap, leave gaps or leave the file", async () => {
  const tensors = (...offsets: [number, number][]) =>
    JSON.stringify(
      Object.fromEntries(offsets.map(([begin, end], i) => [
        "xyz"[i],
        { dtype: "U8", shape: [end - begin], data_offsets: [begin, end] },
      ])),
    );
  await assertRefused(
    rawFile(tensors([0, 4], [3, 8]), 8),
    'tensors "x" and "y" overlap by 1 bytes',
  );
  await assertRefused(
    rawFile(tensors([0, 8], [0, 8]), 8),
    'tensors "x" and "y" overlap by 8 bytes',
  );
  await assertRefused(
    rawFile(tensors([0, 8], [2, 4]), 8),
    'tensors "x" and "y" overlap by 6 bytes',
  );
  await assertRefused(
    rawFile(tensors([0, 2], [5, 8]), 8),
    '3 bytes before tensor "y" belong to no tensor',
  );
  await assertRefused(rawFile(tensors([1, 8]), 8), '1 bytes before tensor "x" belong to no tensor');
  await assertRefused(
    rawFile(tensors([0, 7]), 8),
    "1 bytes after the last tensor belong to no tensor",
  );
  await assertRefused(
    rawFile(tensors([0, 4], [4, 9]), 8),
    'tensor "y" ends at byte 9, but only 8 follow the header',
  );
  await assertRefused(
    rawFile(tensors([0, 2 ** 52]), 8),
    'tensor "x" ends at byte 4503599627370496, but only 8 follow the header',
  );
});

Deno.test("openSafetensors() reads a header nested deep without overflowing the stack", async () => {
  const depth = 200_000;
  const nested = `{"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  await assertRefused(rawFile(nested, 0), 'tensor "x" is a list, wanted an object');
  const shape = `{"x":{"dtype":"F32","shape":${"[".repeat(depth)}${"]".repeat(depth)}}}`;
  await assertRefused(
    rawFile(shape, 0),
    `tensor "x" has shape ${"[".repeat(120)}…, wanted a list of whole numbers >= 0`,
  );
});

Deno.test("openSafetensors() keeps its messages short whatever the file holds", async () => {
  const error = await assertRejects(
    () => openSafetensors(inMemory(rawFile(headerOf({ shape: Array(1e6).fill(1) }), 8))),
    WeightFileError,
  );
  assertEquals(
    error.message,
    `${PREFIX}tensor "x" takes 8 bytes, but F32 [${"1,".repeat(59)}1… needs 4`,
  );
});

Deno.test("openSafetensors() reads the fixtures' references", async () => {
  const file = await openSafetensors(fixture("gpt2"), "processed_weights.safetensors");
  assertEquals(file.names.length, 40);
  assertEquals(file.info("blocks.0.attn.W_Q").shape, [4, 48, 12]);
  const inputs = await openSafetensors(fixture("gpt2"), "inputs.safetensors");
  const tokens = await inputs.read(inputs.names[0]);
  assertEquals(tokens.dtype, "int32");
});
