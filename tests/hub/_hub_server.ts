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

/** A hub with one repository. */
export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly asked: Asked[];
  mishap: Mishap;
}

/** The commit that every branch of the repository stands for. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Serves a repository.
 *
 * @param repo Its id.
 * @param files Its files; those whose name ends in `.safetensors` or `.pt` lie on the server of the content.
 */
export function serveHub(repo: string, files: ReadonlyMap<string, Uint8Array>): HubServer {
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
  const bodyOf = (request: Request, bytes: Uint8Array, mishap: ReturnType<Mishap>) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
    const first = range ? Number(range[1]) : 0;
    const last = range?.[2] ? Number(range[2]) : bytes.length - 1;
    const part = bytes.slice(first, last + 1);
    const headers: Record<string, string> = { "content-length": `${part.length}` };
    if (range) headers["content-range"] = `bytes ${first}-${last}/${bytes.length}`;
    const after = mishap?.kind === "cut" ? mishap.after : undefined;
    const body = after === undefined ? part : new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(part.subarray(0, after)),
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
    const bytes = files.get(decodeURIComponent(new URL(request.url).pathname.slice(1)));
    return bytes ? bodyOf(request, bytes, mishap) : new Response(null, { status: 404 });
  });
  const contentAddress = `http://127.0.0.1:${content.addr.port}`;
  const hub = Deno.serve(options, async (request) => {
    const mishap = note(request, false);
    if (mishap?.kind === "status") return new Response(null, mishap);
    const { pathname } = new URL(request.url);
    const match = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(decodeURIComponent(pathname));
    if (match?.[1] !== repo) {
      return new Response(null, { status: 401, headers: { "x-error-code": "RepoNotFound" } });
    }
    if (!["main", COMMIT].includes(match[2])) {
      return new Response(null, { status: 404, headers: { "x-error-code": "RevisionNotFound" } });
    }
    const bytes = files.get(match[3]);
    const commit = { "x-repo-commit": COMMIT };
    if (!bytes) {
      return new Response(null, {
        status: 404,
        headers: { ...commit, "x-error-code": "EntryNotFound" },
      });
    }
    const etag = await sha256(bytes);
    if (/\.(safetensors|pt)$/.test(match[3])) {
      return new Response(null, {
        status: 302,
        headers: {
          ...commit,
          "x-linked-etag": `"${etag}"`,
          "x-linked-size": `${bytes.length}`,
          location: `${contentAddress}/${match[3]}`,
        },
      });
    }
    const response = request.method === "HEAD"
      ? new Response(null, { headers: { "content-length": `${bytes.length}` } })
      : bodyOf(request, bytes, mishap);
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
