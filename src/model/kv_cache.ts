/**
 * Keys and values of the positions that came before, for runs that go on from there.
 *
 * @module
 */

import { core, type Handle } from "../core/engine.ts";
import { ConfigError, described, ShapeError } from "../core/errors.ts";
import { freeOwned, ownValue } from "../core/memory.ts";
import { scoped, shapeOf, sizeOf } from "../core/scope.ts";
import { RowSpace } from "../core/rows.ts";
import { Tensor, tensorOf } from "../core/tensor.ts";
import type { HookedTransformerConfig } from "./config.ts";
import { layerRotary, type RotaryKind, Rotations, turnedBack } from "./rotary.ts";
import { type PassShape, positionsOf } from "./rows.ts";

/** A layer's keys (turned, where the model turns them) and values in the core: [batch, positions, head, dHead], the first ones there. */
interface Rooms {
  readonly k: Handle;
  readonly v: Handle;
  readonly positions: number;
}

/** The keys and values of one layer, as copies. */
export interface KeyValueEntry {
  /** Keys before rotation [batch, pos, head, dHead]. */
  readonly pastKeys: Tensor;
  /** Values [batch, pos, head, dHead]. */
  readonly pastValues: Tensor;
}

/** What attention sees of a cache during a run. */
export interface PastKeys {
  /**
   * Puts a layer's new keys and values behind those that are there.
   *
   * @param k New keys [batch * nPos, head, dHead].
   * @param v New values [batch * nPos, head, dHead].
   * @returns All of them, [batch, room, head, dHead]: behind the run's own positions there may be room that means nothing.
   */
  extend(layer: number, k: Handle, v: Handle): readonly [keys: Handle, values: Handle];
}

/** A cache for as long as a run works with it. */
export interface OpenCache extends PastKeys, Disposable {
  /** Lets what the run wrote count from now on, unless the cache is frozen. */
  commit(): void;
}

/** Opens a cache for a run; for the session that runs the model. */
export let openCache: (cache: HookedTransformerKeyValueCache, shape: PassShape) => OpenCache;

/** Flags of the real tokens in a cache [batch, length]; `undefined` when all are. */
export let maskOf: (cache: HookedTransformerKeyValueCache) => Uint8Array<ArrayBuffer> | undefined;

/** Takes a value that was just made out of its scope: nobody else has a handle to it. */
function taken(handle: Handle): Handle {
  const kept = ownValue(handle, "cache");
  core().free(handle);
  return kept;
}

function freeRooms(rooms: (Rooms | undefined)[]): void {
  for (const layer of rooms) {
    if (layer) [layer.k, layer.v].forEach(freeOwned);
  }
  rooms.length = 0;
}

/** Gives memory back when a cache was collected. */
const collected = new FinalizationRegistry(freeRooms);

/** Takes the flags of each text's first `to` positions out of those of `from`, [batch, from]. */
function firstPositions(
  mask: Uint8Array<ArrayBuffer> | undefined,
  batch: number,
  from: number,
  to: number,
): Uint8Array<ArrayBuffer> | undefined {
  if (mask === undefined) return undefined;
  const kept = new Uint8Array(batch * to);
  for (let b = 0; b < batch; b++) kept.set(mask.subarray(b * from, b * from + to), b * to);
  return kept.includes(0) ? kept : undefined;
}

/**
 * Keys and values of every layer for the positions that a model has seen (TransformerLens' `TransformerLensKeyValueCache`). A run
 * that is given it as `pastKvCache` computes its own positions alone, sees the old ones too, and adds its own; the bits are those of a
 * run over the whole text. A run that fails adds nothing.
 *
 * Keys and values count as constants: no gradient reaches what was computed before.
 *
 * @example
 * ```ts
 * import { HookedTransformer, HookedTransformerKeyValueCache } from "@splicer/splicer";
 * import { assertEquals } from "@std/assert";
 *
 * const model = await HookedTransformer.fromPretrained("ioi-tiny");
 * using cache = HookedTransformerKeyValueCache.initCache(model.cfg);
 * const tokens = model.toTokens("When John and Mary went to the shops");
 * model.forward(tokens.at(":", ":5"), { pastKvCache: cache });
 * const rest = model.forward(tokens.at(":", "5:"), { pastKvCache: cache });
 * assertEquals(cache.length, tokens.shape[1]);
 * assertEquals(rest.at(0, -1).toArray(), model.forward(tokens).at(0, -1).toArray());
 * ```
 */
export class HookedTransformerKeyValueCache implements Disposable {
  /** How many texts it is for. */
  readonly batch: number;
  readonly #cfg: HookedTransformerConfig;
  readonly #rooms: (Rooms | undefined)[] = [];
  #length = 0;
  /** The positions that rooms are made for at least. */
  #reserved = 0;
  #mask: Uint8Array<ArrayBuffer> | undefined;
  #frozen = false;
  #isOpen = false;
  #disposed = false;

  private constructor(cfg: HookedTransformerConfig, batch: number) {
    this.#cfg = cfg;
    this.batch = batch;
    collected.register(this, this.#rooms, this);
  }

  /**
   * Makes an empty cache.
   *
   * @param cfg The configuration of the model that will use it.
   * @param batch How many texts it is for.
   * @throws {ConfigError} If the number of texts isn't a whole number from 1.
   */
  static initCache(cfg: HookedTransformerConfig, batch = 1): HookedTransformerKeyValueCache {
    if (!Number.isInteger(batch) || batch < 1) {
      throw new ConfigError(
        `Cannot make a cache for ${described(batch)} texts: expected a whole number from 1.`,
      );
    }
    return new HookedTransformerKeyValueCache(cfg, batch);
  }

  /** How many positions it holds. */
  get length(): number {
    return this.#length;
  }

  /** Whether runs use it without adding to it. */
  get frozen(): boolean {
    return this.#frozen;
  }

  /** Bytes of the core's memory that it holds. */
  get bytes(): number {
    const bytesOf = (rooms: Rooms | undefined) =>
      rooms ? 2 * Float32Array.BYTES_PER_ELEMENT * sizeOf(shapeOf(rooms.k)) : 0;
    return this.#rooms.reduce((sum, rooms) => sum + bytesOf(rooms), 0);
  }

  /** Lets runs use it without adding to it: many texts with one beginning. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Lets runs add to it again. */
  unfreeze(): void {
    this.#frozen = false;
  }

  /** Each layer's keys and values, as copies. */
  get entries(): readonly KeyValueEntry[] {
    this.#requireThere("read");
    return Array.from({ length: this.#cfg.nLayers }, (_, layer) => {
      const copy = (which: "k" | "v") => this.#copyOf(layer, which);
      return {
        get pastKeys() {
          return copy("k");
        },
        get pastValues() {
          return copy("v");
        },
      };
    });
  }

  /** 1 at real tokens, 0 at pads, [batch, pos]. */
  get previousAttentionMask(): Tensor {
    const flags = this.#mask ?? new Uint8Array(this.batch * this.#length).fill(1);
    return Tensor.from(Int32Array.from(flags), [this.batch, this.#length]);
  }

  /**
   * Forgets the positions from one on: the next run goes on from there.
   *
   * @param length How many positions stay.
   * @throws {RangeError} If it holds fewer.
   */
  truncate(length: number): void {
    this.#requireIdle("truncate");
    if (!Number.isInteger(length) || length < 0 || length > this.#length) {
      throw new RangeError(
        `Cannot truncate a cache of ${this.#length} positions to ${
          described(length)
        }: expected a whole number from 0 to ${this.#length}.`,
      );
    }
    this.#mask = firstPositions(this.#mask, this.batch, this.#length, length);
    this.#length = length;
  }

  /** Makes room for this many positions at once, where it is known how many will come. */
  reserve(length: number): void {
    this.#reserved = Math.max(this.#reserved, Math.min(length, this.#cfg.nCtx));
  }

  /** Gives the memory back. Runs can't use it after that. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    collected.unregister(this);
    // A run that works with it lets go of the memory at its end.
    if (!this.#isOpen) freeRooms(this.#rooms);
  }

  #requireThere(what: string): void {
    if (this.#disposed) throw new ConfigError(`Cannot ${what} the cache: it was disposed.`);
  }

  #requireIdle(what: string): void {
    this.#requireThere(what);
    if (this.#isOpen) {
      throw new ConfigError(`Cannot ${what} the cache: a run is working with it.`);
    }
  }

  #copyOf(layer: number, which: "k" | "v"): Tensor {
    this.#requireThere("read");
    const { nHeads, nKeyValueHeads, dHead } = this.#cfg;
    const rooms = this.#rooms[layer];
    if (!rooms) return Tensor.zeros([this.batch, 0, nKeyValueHeads ?? nHeads, dHead]);
    return scoped(() => {
      const there = core().moved_room(rooms[which], this.#length, this.#length);
      const kind = which === "k" ? layerRotary(this.#cfg, layer) : undefined;
      return tensorOf(kind ? this.#turnedBack(there, kind) : there);
    });
  }

  /** Keys [batch, length, head, dHead] as they were before they were turned, but for rounding. */
  #turnedBack(keys: Handle, kind: RotaryKind): Handle {
    const shape = core().shape_of(keys);
    const { all } = new RowSpace(this.batch, this.#length);
    const positions = positionsOf(this.#mask, this.batch, this.#length);
    const rows = core().reshape(keys, Uint32Array.of(all.count, ...shape.subarray(2)));
    const back = turnedBack(rows, new Rotations(positions).at(all, kind), kind);
    return core().reshape(back, shape);
  }

  #open({ batch, nPos, keyMask }: PassShape): OpenCache {
    this.#requireIdle("run with");
    if (batch !== this.batch) {
      throw new ShapeError(
        `Cannot run ${batch} texts with a cache of ${this.batch}: each text needs its own keys and values.`,
      );
    }
    this.#isOpen = true;
    return {
      extend: (layer, k, v) => this.#extend(layer, nPos, k, v),
      commit: () => {
        if (this.#frozen) return;
        this.#length += nPos;
        this.#mask = keyMask && Uint8Array.from(keyMask);
      },
      [Symbol.dispose]: () => {
        this.#isOpen = false;
        if (this.#disposed) freeRooms(this.#rooms);
      },
    };
  }

  #extend(layer: number, nPos: number, k: Handle, v: Handle): readonly [Handle, Handle] {
    const old = this.#length;
    const rooms = this.#roomsFor(layer, old + nPos, shapeOf(k).slice(1));
    core().write_positions(rooms.k, old, k);
    core().write_positions(rooms.v, old, v);
    if (core().node_of(k) === 0 && core().node_of(v) === 0) return [rooms.k, rooms.v];
    // Gradients go back through the new positions.
    const joined = (room: Handle, value: Handle) => {
      const past = core().moved_room(room, old, old);
      const tail = shapeOf(past).slice(2);
      const grid = core().reshape(value, Uint32Array.of(this.batch, nPos, ...tail));
      return old === 0 ? grid : core().cat(Uint32Array.of(past, grid), 1);
    };
    return [joined(rooms.k, k), joined(rooms.v, v)];
  }

  /** A layer's rooms with space for `wanted` positions. They at least double, so that growing costs little per position. */
  #roomsFor(layer: number, wanted: number, tail: readonly number[]): Rooms {
    const rooms = this.#rooms[layer];
    if (rooms) {
      const had = shapeOf(rooms.k).slice(2);
      if (had.join() !== tail.join()) {
        throw new ShapeError(
          `Cannot add keys of [head, dHead] [${tail.join(", ")}] to a cache of [${
            had.join(", ")
          }]: it was filled by another model, or before a switch.`,
        );
      }
      if (rooms.positions >= wanted) return rooms;
    }
    const doubled = rooms ? Math.min(2 * rooms.positions, this.#cfg.nCtx) : 0;
    const positions = Math.max(wanted, doubled, this.#reserved);
    const made: Handle[] = [];
    try {
      for (const which of ["k", "v"] as const) {
        made.push(taken(
          rooms
            ? core().moved_room(rooms[which], positions, this.#length)
            : core().allocate(Uint32Array.of(this.batch, positions, ...tail), 0),
        ));
      }
    } catch (error) {
      made.forEach(freeOwned);
      throw error;
    }
    if (rooms) [rooms.k, rooms.v].forEach(freeOwned);
    const [k, v] = made;
    return this.#rooms[layer] = { k, v, positions };
  }

  static {
    openCache = (cache, shape) => cache.#open(shape);
    maskOf = (cache) => cache.#mask;
  }
}
