import { assertEquals } from "@std/assert";
import { Fingerprint } from "../../src/core/fingerprint.ts";

const of = (...pieces: (string | ArrayBufferView)[]) =>
  pieces.reduce<Fingerprint>((print, piece) => print.update(piece), new Fingerprint()).hex();

Deno.test("Fingerprint tells every bit, every length and every division apart", () => {
  const seen = new Map<string, string>();
  const add = (what: string, hex: string) => {
    assertEquals(seen.get(hex), undefined, `${what} has the fingerprint of ${seen.get(hex)}`);
    seen.set(hex, what);
  };
  for (let n = 0; n < 70; n++) add(`${n} zeros`, of(new Float32Array(n)));
  for (let bit = 0; bit < 1024; bit++) {
    const words = new Int32Array(32);
    words[bit >> 5] = 1 << (bit & 31);
    add(`bit ${bit}`, of(words));
  }
  for (let a = 1; a < 8; a++) {
    for (let b = 1; b < 8; b++) {
      add(`${a} and ${b} sevens`, of(new Int32Array(a).fill(7), new Int32Array(b).fill(7)));
    }
  }
  add("a text", of("W_E float32 3"));
  add("another", of("W_E float32 4"));
});

Deno.test("Fingerprint stays the same from version to version", () => {
  assertEquals(of("abc", new Uint8Array([1, 2, 3])), of("abc", new Uint8Array([1, 2, 3])));
  assertEquals(of("splicer", Float32Array.of(1, -0, 0.5)), "c4c49e381a5d965d2d63659a5fa2ec1f");
});
