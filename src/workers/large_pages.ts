/**
 * Memory in pages of 2 MB: each page of 4 KB that isn't in the processor's caches costs a look-up before its first byte comes.
 *
 * @module
 */

/** What is used of Deno, where it runs. */
interface DenoSystem {
  readonly build: { readonly os: string };
  readonly permissions: { querySync(of: { name: "ffi" }): { readonly state: string } };
  readonly UnsafePointer: { of(bytes: Uint8Array): unknown };
  dlopen(file: string, symbols: typeof MADVISE): {
    readonly symbols: { madvise(at: unknown, length: bigint, advice: number): number };
    close(): void;
  };
}

const MADVISE = {
  madvise: { parameters: ["pointer", "usize", "i32"], result: "i32" },
} as const;

/** The addresses that a memory of 32 bits is given when it is made. */
const RESERVED = 2n ** 32n;

/** `MADV_HUGEPAGE` of Linux' `madvise(2)`. */
const HUGE_PAGE = 14;

/**
 * Asks Linux to back a shared memory, of 4 GiB at most, by large pages as it grows. That takes a foreign function, and so a program
 * which may call them anyway, in a notebook, at the prompt, or by `--allow-ffi`: nobody is asked for a permission.
 *
 * @returns Whether the system was asked and took it; nothing but speed depends on it.
 */
export function preferLargePages({ buffer }: WebAssembly.Memory): boolean {
  const deno: DenoSystem | undefined = Reflect.get(globalThis, "Deno");
  try {
    if (deno?.build.os !== "linux") return false;
    if (deno.permissions.querySync({ name: "ffi" }).state !== "granted") return false;
    const library = deno.dlopen("libc.so.6", MADVISE);
    try {
      const at = deno.UnsafePointer.of(new Uint8Array(buffer));
      return library.symbols.madvise(at, RESERVED, HUGE_PAGE) === 0;
    } finally {
      library.close();
    }
  } catch {
    // Another C library, or another Deno: small pages it is.
    return false;
  }
}
