import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { HookedTransformer, WeightFileError } from "../../mod.ts";
import { openRepository, type RepositoryOptions } from "../../src/weights/repository.ts";
import { COMMIT, filesOf, type HubServer, serveHub } from "./_hub_server.ts";

const REPO = "somebody/model";
const BIG = Uint8Array.from({ length: 300_000 }, (_, i) => i * 31 + (i >> 8));
const FILES = new Map<string, Uint8Array>([
  ["config.json", new TextEncoder().encode('{"a": 1}')],
  ["deep/model.safetensors", BIG],
]);

/** A hub and a cache of its own. */
async function withHub(
  body: (hub: HubServer, options: RepositoryOptions & { cacheDir: string }) => Promise<void>,
  files = FILES,
  repo = REPO,
): Promise<void> {
  const cacheDir = await Deno.makeTempDir({ prefix: "splicer_hub_" });
  try {
    await using hub = serveHub({ [repo]: files });
    await body(hub, { endpoint: hub.endpoint, cacheDir, token: "secret" });
  } finally {
    await Deno.remove(cacheDir, { recursive: true });
  }
}

Deno.test("openRepository() keeps what it downloads in the layout of Python's cache, and downloads it once", () =>
  withHub(async (hub, options) => {
    const source = await openRepository(REPO, options);
    assertEquals(await source.readJson("config.json"), { a: 1 });
    assertEquals(await source.read("deep/model.safetensors"), BIG);
    assertEquals(await source.has("absent.json"), false);

    const folder = join(options.cacheDir, "models--somebody--model");
    assertEquals(await Deno.readTextFile(join(folder, "refs/main")), COMMIT);
    const snapshot = join(folder, "snapshots", COMMIT, "deep/model.safetensors");
    assertEquals(await Deno.readFile(snapshot), BIG);
    assertEquals((await Deno.lstat(snapshot)).isSymlink, true);
    assertEquals([...Deno.readDirSync(join(folder, "blobs"))].length, 2);

    const downloads = () => hub.asked.filter(({ method }) => method === "GET").length;
    const before = downloads();
    const again = await openRepository(REPO, options);
    assertEquals(await again.read("deep/model.safetensors", 5, 3), BIG.slice(5, 8));
    assertEquals(downloads(), before);
  }));

Deno.test("openRepository() asks nothing for a full commit that is in the cache", () =>
  withHub(async (hub, options) => {
    const revision = COMMIT;
    await (await openRepository(REPO, { ...options, revision })).read("config.json");
    hub.asked.length = 0;
    await (await openRepository(REPO, { ...options, revision })).read("config.json");
    assertEquals(hub.asked, []);
  }));

Deno.test("openRepository() sends the token to the hub and never to where the content lies", () =>
  withHub(async (hub, options) => {
    await (await openRepository(REPO, options)).read("deep/model.safetensors");
    const tokens = (isContent: boolean) =>
      new Set(
        hub.asked.filter((one) => one.isContent === isContent).map((one) => one.authorization),
      );
    assertEquals([...tokens(false)], ["Bearer secret"]);
    assertEquals([...tokens(true)], [null]);
  }));

Deno.test("openRepository() goes on where a connection broke", () =>
  withHub(async (hub, options) => {
    hub.mishap = ({ path, method, count }) =>
      path === `/${REPO}/deep/model.safetensors` && method === "GET" && count <= 2
        ? { kind: "cut", after: 100_000 }
        : undefined;
    const progress: number[] = [];
    const source = await openRepository(REPO, {
      ...options,
      onProgress: ({ loaded }) => progress.push(loaded),
    });
    assertEquals(await source.read("deep/model.safetensors"), BIG);
    const ranges = hub.asked.filter(({ isContent }) => isContent).map(({ range }) => range);
    assertEquals(ranges[0], null);
    assertEquals(ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? "")), true);
    assertEquals(progress, progress.toSorted((a, b) => a - b));
    assertEquals(progress.at(-1), BIG.length);
  }));

Deno.test("openRepository() goes on in another run where the last one was given up", () =>
  withHub(async (hub, options) => {
    const stop = new AbortController();
    const first = await openRepository(REPO, {
      ...options,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error("enough")),
    });
    await assertRejects(() => first.read("deep/model.safetensors"), Error, "enough");
    hub.asked.length = 0;
    const second = await openRepository(REPO, options);
    assertEquals(await second.read("deep/model.safetensors"), BIG);
    const [content] = hub.asked.filter(({ isContent }) => isContent);
    assertEquals(/^bytes=[1-9]\d*-$/.test(content?.range ?? "bytes=1-"), true);
  }));

Deno.test("openRepository() waits as long as a busy hub asks", () =>
  withHub(async (hub, options) => {
    hub.mishap = ({ count, method }) =>
      method === "HEAD" && count === 1
        ? { kind: "status", status: 429, headers: { "retry-after": "0" } }
        : undefined;
    assertEquals(await (await openRepository(REPO, options)).readJson("config.json"), { a: 1 });
    hub.mishap = () => ({ kind: "status", status: 429, headers: { "retry-after": "3600" } });
    const source = await openRepository(REPO, { ...options, revision: COMMIT });
    await assertRejects(
      () => source.read("deep/model.safetensors"),
      WeightFileError,
      "429 Too Many Requests (1 attempts; it asks to wait 3600 s)",
    );
  }));

Deno.test("openRepository() says what a refusal means", () =>
  withHub(async (hub, options) => {
    const reading = async (repo: string, more: RepositoryOptions) =>
      await (await openRepository(repo, { ...options, ...more })).read("config.json");
    await assertRejects(
      () => reading("somebody/else", {}),
      WeightFileError,
      `Cannot load "config.json" of somebody/else from ${hub.endpoint}: the hub answered 401 Unauthorized: it doesn't exist, or the token given has no access to it`,
    );
    await assertRejects(
      () => reading(REPO, { revision: "v9" }),
      WeightFileError,
      `Cannot load "config.json" of somebody/model at v9 from ${hub.endpoint}: the repository has no revision "v9"`,
    );
    await assertRejects(
      async () => await (await openRepository(REPO, options)).read("absent.json"),
      WeightFileError,
      "there is no such file",
    );
    hub.mishap = () => ({ kind: "status", status: 403, headers: { "x-error-code": "GatedRepo" } });
    await assertRejects(
      () => reading(REPO, {}),
      WeightFileError,
      "access to somebody/model is restricted: accept its terms on its page",
    );
  }));

Deno.test("openRepository() refuses content that isn't what the hub told", () =>
  withHub(async (hub, options) => {
    const wrong = BIG.slice();
    wrong[7] ^= 1;
    const files = FILES as Map<string, Uint8Array>;
    const source = await openRepository(REPO, options);
    await source.size("deep/model.safetensors");
    files.set("deep/model.safetensors", wrong);
    try {
      await assertRejects(
        () => source.read("deep/model.safetensors"),
        WeightFileError,
        "what came has the SHA-256",
      );
    } finally {
      files.set("deep/model.safetensors", BIG);
    }
    assertEquals(hub.asked.length > 0, true);
    assertEquals(await (await openRepository(REPO, options)).read("deep/model.safetensors"), BIG);
  }));

Deno.test("openRepository() reads what it has when the hub is out of reach", () =>
  withHub(async (_hub, options) => {
    await (await openRepository(REPO, options)).read("config.json");
    const gone = { ...options, endpoint: "http://127.0.0.1:9" };
    assertEquals(await (await openRepository(REPO, gone)).readJson("config.json"), { a: 1 });
  }));

Deno.test("openRepository() with no cache reads by ranges", () =>
  withHub(async (hub, options) => {
    const source = await openRepository(REPO, { ...options, cacheDir: null });
    assertEquals(await source.read("deep/model.safetensors", 10, 20), BIG.slice(10, 30));
    assertEquals(hub.asked.every(({ range }) => range !== null), true);
    assertEquals([...Deno.readDirSync(options.cacheDir)], []);
  }));

Deno.test("fromPretrained() loads a model of the hub by TransformerLens' name for it", () =>
  withHub(
    async (hub, { endpoint, cacheDir }) => {
      const folder = new URL("../fixtures/gpt2/model/", import.meta.url);
      using here = await HookedTransformer.fromPretrained(folder);
      using model = await HookedTransformer.fromPretrained("gpt2-small", { endpoint, cacheDir });
      const tokens = [[1, 2, 3, 4]];
      assertEquals(model.forward(tokens).data(), here.forward(tokens).data());
      assertEquals(hub.asked.some(({ path }) => path === "/gpt2/resolve/main/config.json"), true);
    },
    filesOf(new URL("../fixtures/gpt2/model/", import.meta.url)),
    "gpt2",
  ));

Deno.test("fromPretrained() reads the tokenizer from the repository that the model's config.json names", async () => {
  const repo = "NeelNanda/Attn_Only_2L512W_C4_Code";
  const toy = new Map(await filesOf(new URL("../fixtures/toy/attn_only_2l/", import.meta.url)));
  const gpt2 = await filesOf(new URL("../fixtures/gpt2/model/", import.meta.url));
  const { tokenizer_name: named } = JSON.parse(
    new TextDecoder().decode(toy.get("config.json") as Uint8Array),
  );
  await using hub = serveHub({ [repo]: toy, [named]: new Map(gpt2) });
  using model = await HookedTransformer.fromPretrained("attn-only-2l", {
    endpoint: hub.endpoint,
    cacheDir: null,
  });
  assertEquals(model.toTokens("the shops").at(0, 0).item(), 0);
  assertEquals(model.toString([259]), " the");
});
