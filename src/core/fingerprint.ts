/**
 * Fingerprints of weights and logits: 128 bits that differ when a bit differs, at the speed of memory. Not against forgery.
 *
 * @module
 */

/** The multipliers of MurmurHash3's 128-bit variant for 32-bit machines (Appleby, public domain). */
const C1 = 0x239b961b | 0;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5 | 0;
const C4 = 0xa1e38b93 | 0;

/** Spreads every bit of a word over all of it. */
function spread(word: number): number {
  let h = word;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return h ^ h >>> 16;
}

/** The data's 32-bit words; texts and odd bytes are filled up with zeros. */
function wordsOf(data: string | ArrayBufferView): Int32Array {
  const view = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const { buffer, byteOffset, byteLength } = view;
  if (byteOffset % 4 === 0 && byteLength % 4 === 0) {
    return new Int32Array(buffer, byteOffset, byteLength / 4);
  }
  const padded = new Uint8Array(Math.ceil(byteLength / 4) * 4);
  padded.set(new Uint8Array(buffer, byteOffset, byteLength));
  return new Int32Array(padded.buffer);
}

/** A fingerprint that is fed piece by piece. Where one piece ends and the next begins counts too. */
export class Fingerprint {
  readonly #state = new Int32Array(4);
  #nWords = 0;

  /** Takes a text, or the bytes of a view. */
  update(data: string | ArrayBufferView): this {
    const words = wordsOf(data);
    const n = words.length;
    let [h1, h2, h3, h4] = this.#state;
    for (let i = 0; i < n; i += 4) {
      let k1 = words[i];
      let k2 = i + 1 < n ? words[i + 1] : 0;
      let k3 = i + 2 < n ? words[i + 2] : 0;
      let k4 = i + 3 < n ? words[i + 3] : 0;
      k1 = Math.imul(k1, C1);
      h1 ^= Math.imul(k1 << 15 | k1 >>> 17, C2);
      h1 = Math.imul((h1 << 19 | h1 >>> 13) + h2 | 0, 5) + 0x561ccd1b | 0;
      k2 = Math.imul(k2, C2);
      h2 ^= Math.imul(k2 << 16 | k2 >>> 16, C3);
      h2 = Math.imul((h2 << 17 | h2 >>> 15) + h3 | 0, 5) + 0x0bcaa747 | 0;
      k3 = Math.imul(k3, C3);
      h3 ^= Math.imul(k3 << 17 | k3 >>> 15, C4);
      h3 = Math.imul((h3 << 15 | h3 >>> 17) + h4 | 0, 5) + 0x96cd1c35 | 0;
      k4 = Math.imul(k4, C4);
      h4 ^= Math.imul(k4 << 18 | k4 >>> 14, C1);
      h4 = Math.imul((h4 << 13 | h4 >>> 19) + h1 | 0, 5) + 0x32ac3b17 | 0;
    }
    this.#nWords += n;
    // The length closes a piece, so that zeros at its end count.
    this.#state.set([h1 ^ spread(n + 1), h2 ^ spread(this.#nWords), h3, h4]);
    return this;
  }

  /** The fingerprint of what was taken so far: 32 hexadecimal digits. */
  hex(): string {
    const mixed = this.#state.slice();
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 4; i++) mixed[i] = spread(mixed[i] + mixed[(i + 3) % 4] + i + 1 | 0);
    }
    return Array.from(mixed, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
