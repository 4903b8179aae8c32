/** Fetches a module that lies beside the bundle, and compiles it while it arrives. */
export async function compile(name) {
  const url = new URL(`./${name}`, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`Cannot load the core: ${url} answered ${response.status}`);
  }
  // Streaming is refused where a server doesn't know the type.
  return response.headers.get("content-type")?.startsWith("application/wasm")
    ? await WebAssembly.compileStreaming(response)
    : await WebAssembly.compile(await response.arrayBuffer());
}
