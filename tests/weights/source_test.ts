import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBudgetError, WeightFileError } from "../../src/core/errors.ts";
import { openSource } from "../../src/weights/open_source.ts";
import { MemorySource } from "../../src/weights/memory_source.ts";
import { type ReadProgress, Source, type SourceOptions } from "../../src/weights/source.ts";

const TEXT = "naïve 語";
const BYTES = new TextEncoder().encode(TEXT);
const LONG = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);

/** What the test server does with requests for a file. */
type Behaviour = "ranges" | "whole" | "chunked" | "wrong range" | "short" | "no size" | 403 | 500;

/** Serves the test files on loopback for the length of a block, and counts requests and bytes. */
function serve(behaviour: Behaviour, headers: Headers[] = []) {
  const counts = { requests: 0, bytes: 0 };
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    counts.requests++;
    headers.push(request.headers);
    const { pathname, search } = new URL(request.url);
    const file = new Map([["/base/a/text%20%231.txt", BYTES], ["/base/long.bin", LONG], [
      "/base/empty",
      new Uint8Array(0),
    ]])
      .get(pathname);
    if (search === "?missing" || file === undefined) return new Response("no", { status: 404 });
    if (typeof behaviour === "number") return new Response("no", { status: behaviour });
    const answer = respond(behaviour, file, request.headers.get("range") ?? "");
    counts.bytes += answer.bytes;
    return answer.response;
  });
  const url = `http://127.0.0.1:${server.addr.port}/base`;
  return { url, counts, [Symbol.asyncDispose]: () => server.shutdown() };
}

function respond(behaviour: Behaviour, file: Uint8Array<ArrayBuffer>, range: string) {
  if (behaviour === "whole") return { response: new Response(file), bytes: file.byteLength };
  if (behaviour === "chunked") {
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < file.byteLength; at += 30_000) {
          controller.enqueue(file.slice(at, at + 30_000));
        }
        controller.close();
      },
    });
    return { response: new Response(stream), bytes: file.byteLength };
  }
  const [first, last] = range.slice("bytes=".length).split("-").map(Number);
  if (first >= file.byteLength) {
    return {
      response: new Response(null, {
        status: 416,
        headers: { "content-range": `bytes */${file.byteLength}` },
      }),
      bytes: 0,
    };
  }
  const part = file.slice(first, behaviour === "short" && last > 0 ? last : last + 1);
  const shift = behaviour === "wrong range" && last > 0 ? 1 : 0;
  const total = behaviour === "no size" ? "*" : file.byteLength;
  const contentRange = `bytes ${first + shift}-${last}/${total}`;
  return {
    response: new Response(part, { status: 206, headers: { "content-range": contentRange } }),
    bytes: part.byteLength,
  };
}

/** Runs a check over every kind of source of the test files. */
async function overAll(check: (source: Source) => Promise<void>, options: SourceOptions = {}) {
  const folder = await Deno.makeTempDir({ prefix: "splicer sources #%" });
  try {
    await Deno.mkdir(`${folder}/a`);
    await Deno.writeFile(`${folder}/a/text #1.txt`, BYTES);
    await Deno.writeFile(`${folder}/long.bin`, LONG);
    await Deno.writeFile(`${folder}/empty`, new Uint8Array(0));
    const files = new Map([["a/text #1.txt", BYTES], ["long.bin", LONG], [
      "empty",
      new Uint8Array(0),
    ]]);
    await check(openSource(files, options));
    await check(openSource(folder, options));
    await check(openSource(`${folder}/`, options));
    await check(openSource(urlOf(folder), options));
    await check(openSource(urlOf(folder).href, options));
    for (const behaviour of ["ranges", "whole", "chunked"] as const) {
      await using server = serve(behaviour);
      await check(openSource(server.url, options));
      await check(openSource(new URL(`${server.url}/`), options));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function urlOf(folder: string): URL {
  return new URL(`file://${folder.split("/").map(encodeURIComponent).join("/")}`);
}

Deno.test("Source reads the same from memory, a directory and a server", async () => {
  await overAll(async (source) => {
    assertEquals(await source.has("a/text #1.txt"), true, source.base);
    assertEquals(await source.has("a"), false, source.base);
    assertEquals(await source.has("a/none"), false, source.base);
    assertEquals(await source.size("long.bin"), LONG.byteLength, source.base);
    assertEquals(await source.readText("a/text #1.txt"), TEXT, source.base);
    assertEquals(await source.read("long.bin"), LONG, source.base);
    assertEquals(await source.read("long.bin", 99_990), LONG.slice(99_990), source.base);
    const part = await source.read("long.bin", 12_345, 6_789);
    assertEquals(part, LONG.slice(12_345, 12_345 + 6_789), source.base);
    assertEquals([part.byteOffset, part.buffer.byteLength], [0, 6_789], source.base);
    assertEquals((await source.read("long.bin", 100_000, 0)).byteLength, 0, source.base);
    assertEquals((await source.read("empty")).byteLength, 0, source.base);
  });
});

Deno.test("Source.read() refuses parts that aren't within the file", async () => {
  await overAll(async (source) => {
    for (const [offset, length] of [[99_999, 2], [0, 100_001], [-1, 1], [0.5, 1], [0, NaN]]) {
      const error = await assertRejects(
        () => source.read("long.bin", offset, length),
        WeightFileError,
      );
      assertEquals(
        error.message,
        `Cannot read "long.bin" in ${source.base}: it has 100000 bytes, ` +
          `wanted ${length} bytes from byte ${offset} on`,
      );
    }
    assertEquals(
      (await assertRejects(() => source.size("a/none"), WeightFileError)).message,
      `Cannot read "a/none" in ${source.base}: there is no such file`,
    );
  });
});

Deno.test("Source keeps names inside its base", async () => {
  await overAll(async (source) => {
    for (
      const name of ["../x", "a/../../x", "/etc/passwd", "", "a//b", "./a", "..\\x", "c:x", "a\0"]
    ) {
      const error = await assertRejects(() => source.has(name), WeightFileError);
      assertEquals(
        error.message,
        `Cannot read "${name}" in ${source.base}: wanted a relative path that stays in its folder`,
      );
    }
  });
});

Deno.test("Source reports progress up to the size of each file", async () => {
  let seen: ReadProgress[] = [];
  await overAll(async (source) => {
    seen = [];
    await source.read("long.bin", 0, 40_000);
    await source.read("long.bin", 40_000);
    const last = seen.at(-1);
    assertEquals([last?.file, last?.loaded], ["long.bin", 100_000], source.base);
    assert(seen.every(({ loaded }, i) => i === 0 || loaded >= seen[i - 1].loaded));
    assert(seen.every(({ total }) => total === undefined || total === 100_000));
  }, { onProgress: (progress) => seen.push(progress) });
});

Deno.test("Source stops when its signal aborts", async () => {
  const reason = new Error("enough");
  await overAll(async (source) => {
    const error = await assertRejects(() => source.read("long.bin"), Error);
    assertEquals(error, reason, source.base);
  }, { signal: AbortSignal.abort(reason) });
});

Deno.test("Source stops in the middle of a file when its signal aborts", async () => {
  for (const behaviour of ["ranges", "whole", "chunked"] as const) {
    const controller = new AbortController();
    const reason = new Error("enough");
    await using server = serve(behaviour);
    const source = openSource(server.url, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    assertEquals(await assertRejects(() => source.read("long.bin"), Error), reason, behaviour);
  }
});

Deno.test("Source lets timers abort while it reads many small parts of a file", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/parts.bin`, new Uint8Array(2 ** 18));
    const controller = new AbortController();
    const source = openSource(folder, { signal: controller.signal });
    const reason = new Error("enough");
    const timer = setTimeout(() => controller.abort(reason), 0);
    const readAll = async () => {
      for (let i = 0; i < 20; i++) await source.read("parts.bin");
    };
    assertEquals(await assertRejects(readAll, Error), reason);
    clearTimeout(timer);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Source.readText() and readJson() refuse what isn't text or JSON", async () => {
  const source = new MemorySource(new Map([["x", Uint8Array.of(0xff)], ["y", BYTES]]));
  const error = await assertRejects(() => source.readText("x"), WeightFileError);
  assertEquals(error.message, 'Cannot read "x" in memory: it isn\'t UTF-8 text');
  assert(error.cause instanceof TypeError);
  const json = await assertRejects(() => source.readJson("y"), WeightFileError);
  assert(json.message.startsWith('Cannot read "y" in memory: it isn\'t JSON ('), json.message);
  assert(json.cause instanceof SyntaxError);
});

Deno.test("Source refuses what is too large before it allocates", async () => {
  class Huge extends Source {
    protected override findSize = () => Promise.resolve(2 ** 50);
    protected override readPart = () => Promise.reject(new Error("must not be called"));
  }
  const source = new Huge("nowhere");
  assertEquals(
    (await assertRejects(() => source.read("x", 1, 2 ** 33), MemoryBudgetError)).message,
    'Cannot read 8589934592 bytes of "x" at once: the limit is 4294967296 bytes',
  );
  assertEquals(
    (await assertRejects(() => source.readText("x"), WeightFileError)).message,
    'Cannot read "x" in nowhere: it has 1125899906842624 bytes, wanted a text of at most 268435456',
  );
});

Deno.test("HttpSource fetches only what is read, and the whole once where ranges are ignored", async () => {
  await using ranges = serve("ranges");
  const source = openSource(ranges.url);
  await source.read("long.bin", 10, 20);
  await source.read("long.bin", 50, 20);
  assertEquals(ranges.counts, { requests: 3, bytes: 41 });
  await using whole = serve("whole");
  const plain = openSource(whole.url);
  await plain.read("long.bin", 10, 20);
  await plain.read("long.bin", 50, 20);
  assertEquals(whole.counts, { requests: 1, bytes: 100_000 });
});

Deno.test("HttpSource sends headers and keeps the query of its URL", async () => {
  const headers: Headers[] = [];
  await using server = serve("ranges", headers);
  const source = openSource(server.url, { headers: { authorization: "Bearer x" } });
  await source.read("long.bin", 1, 2);
  assertEquals(headers.map((sent) => sent.get("authorization")), ["Bearer x", "Bearer x"]);
  assertEquals(headers.map((sent) => sent.get("range")), ["bytes=0-0", "bytes=1-2"]);
  assertEquals(await openSource(`${server.url}?missing`).has("long.bin"), false);
});

Deno.test("HttpSource turns the answers of broken servers into typed errors", async () => {
  const cases: [Behaviour, string][] = [
    [403, "the server answered 403 Forbidden"],
    [500, "the server answered 500 Internal Server Error"],
    ["wrong range", "the server sent bytes 11 to 19, wanted 10 to 19"],
    ["short", "the server sent 9 bytes, wanted 10"],
    ["no size", "the server doesn't tell its size"],
  ];
  for (const [behaviour, reason] of cases) {
    await using server = serve(behaviour);
    const source = openSource(server.url);
    const error = await assertRejects(() => source.read("long.bin", 10, 10), WeightFileError);
    assertEquals(error.message, `Cannot read "long.bin" in ${server.url}: ${reason}`);
  }
});

Deno.test("HttpSource tells when there is no server", async () => {
  const server = serve("ranges");
  await server[Symbol.asyncDispose]();
  const error = await assertRejects(() => openSource(server.url).has("x"), WeightFileError);
  assert(
    error.message.startsWith(`Cannot read "x" in ${server.url}: the request failed (`),
    error.message,
  );
  assert(error.cause instanceof TypeError);
});

Deno.test("openSource() refuses other kinds of URL", () => {
  assertEquals(
    assertThrows(() => openSource("ftp://example.org/x"), WeightFileError).message,
    'Cannot open "ftp://example.org/x": wanted a path, or a URL that begins with file:, http: or https:',
  );
});
