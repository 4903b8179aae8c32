const TYPES: Readonly<Record<string, string>> = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
  ts: "application/typescript",
  wasm: "application/wasm",
};

/**
 * Serves the files below a folder on loopback, as a static server would.
 *
 * @param root The folder.
 * @param requested Is told the path of every request.
 * @param headers What every answer has beside its type.
 * @param port The port; any that is free unless said.
 * @returns The server, which ends with its block.
 */
export function serveFiles(
  root: URL,
  requested: (path: string) => void = () => {},
  headers: Readonly<Record<string, string>> = {},
  port = 0,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    requested(pathname);
    try {
      const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
      const type = TYPES[path.split(".").at(-1) ?? ""] ?? "application/octet-stream";
      const body = await Deno.readFile(new URL(`.${path}`, root));
      return new Response(body, { headers: { ...headers, "content-type": type } });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
}
