/**
 * The choices of Python's `random` module, so that a dataset drawn with a seed is the one that TransformerLens draws.
 *
 * @module
 */

const STATE_LENGTH = 624;
const SHIFT = 397;

/** Mersenne Twister (Matsumoto & Nishimura 1998), seeded and read as in Python's `random` (3.11). */
export class PythonRandom {
  readonly #state = new Uint32Array(STATE_LENGTH);
  #next = STATE_LENGTH;

  /** Starts as `random.seed(seed)` does. @param seed A whole number below 2^53. */
  constructor(seed: number) {
    const size = Math.abs(seed);
    const key = [size >>> 0, ...(size >= 2 ** 32 ? [Math.floor(size / 2 ** 32)] : [])];
    this.#seedByArray(key);
  }

  /** One of the entries of a list, as `random.choice`. */
  choice<T>(list: readonly T[]): T {
    return list[this.#below(list.length)];
  }

  /** Several different entries of a list, as `random.sample`. */
  sample<T>(list: readonly T[], count: number): T[] {
    const n = list.length;
    // Python draws from a shrinking copy of short lists, and again on a repetition from long ones.
    const isShort = n <= 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (!isShort) {
      const taken = new Set<number>();
      while (taken.size < count) taken.add(this.#below(n));
      return Array.from(taken, (i) => list[i]);
    }
    const pool = [...list];
    return Array.from({ length: count }, (_, i) => {
      const j = this.#below(n - i);
      const chosen = pool[j];
      pool[j] = pool[n - i - 1];
      return chosen;
    });
  }

  /** A whole number from 0 to n - 1: as many bits as n has, drawn until they are below. */
  #below(n: number): number {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const drawn = bits === 0 ? 0 : this.#word() >>> (32 - bits);
      if (drawn < n) return drawn;
    }
  }

  #seed(value: number): void {
    const state = this.#state;
    state[0] = value;
    for (let i = 1; i < STATE_LENGTH; i++) {
      const before = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(before, 1812433253) + i;
    }
  }

  #seedByArray(key: readonly number[]): void {
    const state = this.#state;
    this.#seed(19650218);
    let i = 1;
    const advance = () => {
      if (++i < STATE_LENGTH) return;
      state[0] = state[STATE_LENGTH - 1];
      i = 1;
    };
    const mixed = (factor: number) =>
      state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor);
    for (let k = 0; k < STATE_LENGTH; k++) {
      const j = k % key.length;
      state[i] = mixed(1664525) + key[j] + j;
      advance();
    }
    for (let k = 1; k < STATE_LENGTH; k++) {
      state[i] = mixed(1566083941) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  /** The next 32 bits. */
  #word(): number {
    const state = this.#state;
    if (this.#next === STATE_LENGTH) {
      for (let i = 0; i < STATE_LENGTH; i++) {
        const joined = (state[i] & 0x80000000) | (state[(i + 1) % STATE_LENGTH] & 0x7fffffff);
        const twist = joined & 1 ? 0x9908b0df : 0;
        state[i] = state[(i + SHIFT) % STATE_LENGTH] ^ (joined >>> 1) ^ twist;
      }
      this.#next = 0;
    }
    let word = state[this.#next++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }
}
