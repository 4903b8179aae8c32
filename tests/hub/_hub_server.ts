/** A hub on loopback in Hugging Face's layout, whose content lies on another server, and which can be told to misbehave. */

/** What goes wrong with a request, told by its path and how often that was asked for. */
export type Mishap = (request: { path: string; method: string; count: number }) =>
  | { readonly kind: "status"; readonly status: number; readonly headers?: Record<string, string> }
  /** The body ends after some bytes, with the connection. */
  | { readonly kind: "cut"; readonly after: number }
  | undefined;

/** One request that was made. */
export interface Asked {
  readonly path: string;
  readonly method: string;
  readonly range: string | null;
  readonly authorization: string | null;
  /** Whether it came to the server that has the content. */
  readonly isContent: boolean;
}

/** A file on disk, which may be too large to be held in memory. */
export interface DiskFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** A repository's files by name, in memory or on disk. */
export type HubFiles = ReadonlyMap<string, Uint8Array | DiskFile>;

/** A hub. */
export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly asked: Asked[];
  mishap: Mishap;
}

/** The commit that every branch of the repository stands for. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

async function sha256(file: Uint8Array | DiskFile): Promise<string> {
  if (!(file instanceof Uint8Array)) return file.sha256;
  const bytes = file;
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const sizeOf = (file: Uint8Array | DiskFile) =>
  file instanceof Uint8Array ? file.length : file.size;

/** A part of a file as the body of an answer. */
async function partOf(file: Uint8Array | DiskFile, first: number, length: number) {
  if (file instanceof Uint8Array) return file.slice(first, first + length);
  const opened = await Deno.open(file.path);
  await opened.seek(first, Deno.SeekMode.Start);
  let left = length;
  const limited = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) controller.terminate();
    },
  });
  return opened.readable.pipeThrough(limited);
}

/**
 * Serves repositories.
 *
 * @param repositories Their files, by id; those whose name ends in `.safetensors` or `.pt` lie on the server of the content.
 */
export function serveHub(repositories: Readonly<Record<string, HubFiles>>): HubServer {
  const counts = new Map<string, number>();
  const asked: Asked[] = [];
  let server: HubServer | undefined = undefined;
  const note = (request: Request, isContent: boolean) => {
    const { pathname: path } = new URL(request.url);
    const key = `${request.method} ${path} ${isContent}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    const { headers, method } = request;
    asked.push({
      path,
      method,
      range: headers.get("range"),
      authorization: headers.get("authorization"),
      isContent,
    });
    return server?.mishap({ path, method, count });
  };
  const bodyOf = async (
    request: Request,
    file: Uint8Array | DiskFile,
    mishap: ReturnType<Mishap>,
  ) => {
    const size = sizeOf(file);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
    const first = range ? Number(range[1]) : 0;
    const last = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
    const headers: Record<string, string> = { "content-length": `${last - first + 1}` };
    if (range) headers["content-range"] = `bytes ${first}-${last}/${size}`;
    const cutAfter = mishap?.kind === "cut" ? mishap.after : undefined;
    const part = await partOf(file, first, last - first + 1);
    const body = cutAfter === undefined || !(part instanceof Uint8Array)
      ? part
      : new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(part.subarray(0, cutAfter)),
        pull: async (controller) => {
          await new Promise((done) => setTimeout(done, 20));
          controller.error(new Error("cut"));
        },
      });
    return new Response(body, { status: range ? 206 : 200, headers });
  };
  const options = {
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response(),
  };
  const content = Deno.serve(options, (request) => {
    const mishap = note(request, true);
    if (mishap?.kind === "status") return new Response(null, mishap);
    const path = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const repo = Object.keys(repositories).find((repo) => path.startsWith(`${repo}/`)) ?? "";
    const file = repositories[repo]?.get(path.slice(repo.length + 1));
    return file ? bodyOf(request, file, mishap) : new Response(null, { status: 404 });
  });
  const contentAddress = `http://127.0.0.1:${content.addr.port}`;
  const hub = Deno.serve(options, async (request) => {
    const mishap = note(request, false);
    if (mishap?.kind === "status") return new Response(null, mishap);
    const { pathname } = new URL(request.url);
    const match = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(decodeURIComponent(pathname));
    if (match === null || !Object.hasOwn(repositories, match[1])) {
      return new Response(null, { status: 401, headers: { "x-error-code": "RepoNotFound" } });
    }
    if (!["main", COMMIT].includes(match[2])) {
      return new Response(null, { status: 404, headers: { "x-error-code": "RevisionNotFound" } });
    }
    const [, repo, , name] = match;
    const file = repositories[repo].get(name);
    const commit = { "x-repo-commit": COMMIT };
    if (!file) {
      return new Response(null, {
        status: 404,
        headers: { ...commit, "x-error-code": "EntryNotFound" },
      });
    }
    const etag = await sha256(file);
    if (/\.(safetensors|pt)$/.test(name)) {
      return new Response(null, {
        status: 302,
        headers: {
          ...commit,
          "x-linked-etag": `"${etag}"`,
          "x-linked-size": `${sizeOf(file)}`,
          location: `${contentAddress}/${repo}/${name}`,
        },
      });
    }
    const response = request.method === "HEAD"
      ? new Response(null, { headers: { "content-length": `${sizeOf(file)}` } })
      : await bodyOf(request, file, mishap);
    // Small files go by git's own hash.
    response.headers.set("etag", `"${etag.slice(0, 40)}"`);
    response.headers.set("x-repo-commit", COMMIT);
    return response;
  });
  server = {
    endpoint: `http://127.0.0.1:${hub.addr.port}`,
    asked,
    mishap: () => undefined,
    async [Symbol.asyncDispose]() {
      await Promise.all([hub.shutdown(), content.shutdown()]);
    },
  };
  return server;
}

/** Reads the files below a folder. */
export function filesOf(folder: URL, prefix = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) {
      for (const [at, bytes] of filesOf(new URL(`${name}/`, folder), `${prefix}${name}/`)) {
        files.set(at, bytes);
      }
    } else files.set(`${prefix}${name}`, Deno.readFileSync(new URL(name, folder)));
  }
  return files;
}
