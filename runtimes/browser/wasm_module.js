// A page or its worker fetches the module that lies beside the bundle, and compiles it while it arrives.
const url = new URL("./splicer_bg.wasm", import.meta.url);

async function compile() {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`Cannot load the core: ${url} answered ${response.status}`);
  }
  // Streaming is refused where a server doesn't know the type.
  return response.headers.get("content-type")?.startsWith("application/wasm")
    ? await WebAssembly.compileStreaming(response)
    : await WebAssembly.compile(await response.arrayBuffer());
}

export const wasmModule = await compile();
